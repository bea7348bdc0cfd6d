// A double buffer of elements in banks: element e of a half lies in bank e mod Banks, row e div
// Banks. Any Writes consecutive elements are written, any Reads consecutive elements read in one
// cycle, from any element on. Addresses wrap; what is read outside the buffer has no meaning, what
// is written after its last row is dropped.
module rst_banked_buffer #(
  parameter int Width = 8,
  parameter int Depth = 256,  // elements in a half
  parameter int Reads = 16,
  parameter int Writes = 16,
  parameter int Banks = 0,    // a power of two; 0: as many as are read or written in a cycle
  localparam int NumBanks = ristretto_pkg::banks_of(Reads, Writes, Banks),
  localparam int AddrBits = ristretto_pkg::element_bits(Depth, NumBanks),
  localparam int CountBits = ristretto_pkg::index_bits(Writes + 1)
) (
  input  logic                    clk_i,

  input  logic                    we_i,
  input  logic                    whalf_i,
  input  logic [AddrBits-1:0]     waddr_i,
  input  logic [CountBits-1:0]    wcount_i,  // elements to write, the lowest of wdata_i
  input  logic [Writes*Width-1:0] wdata_i,

  input  logic                    re_i,
  input  logic                    rhalf_i,
  input  logic [AddrBits-1:0]     raddr_i,
  output logic [Reads*Width-1:0]  rdata_o    // in the cycle after re_i, and until the next one
);
  localparam int Rows = ristretto_pkg::bank_rows(Depth, NumBanks);
  localparam int LogBanks = $clog2(NumBanks);
  localparam int BankBits = ristretto_pkg::index_bits(NumBanks);
  localparam int RowBits = AddrBits - LogBanks;
  localparam int RamBits = ristretto_pkg::index_bits(2 * Rows);
  localparam int LineBits = NumBanks * Width;

  // verilator coverage_off
  initial begin
    if (Width < 1 || Depth < 1 || Reads < 1 || Writes < 1)
      $fatal(1, "Width, Depth, Reads and Writes must be at least 1");
    if (NumBanks < Reads || NumBanks < Writes || (1 << LogBanks) != NumBanks)
      $fatal(1, "Banks must be a power of two, enough for a cycle");
  end
  // verilator coverage_on

  // A run begins in bank `base` and row `row`; banks below `base` hold its elements of the next
  // row.
  logic [BankBits-1:0] wbase, rbase, rbase_q;
  logic [RowBits-1:0] wrow, rrow;
  logic [LineBits-1:0] wline, rline;
  logic [2*LineBits-1:0] wturned, rturned;

  assign wbase = BankBits'(waddr_i & AddrBits'(NumBanks - 1));
  assign rbase = BankBits'(raddr_i & AddrBits'(NumBanks - 1));
  assign wrow = RowBits'(waddr_i >> LogBanks);
  assign rrow = RowBits'(raddr_i >> LogBanks);

  // The upper half of a line beside itself, shifted left, is the line rotated.
  assign wturned = {2{LineBits'(wdata_i)}} << (Width * wbase);
  assign wline = wturned[2*LineBits-1:LineBits];

  for (genvar b = 0; b < NumBanks; b++) begin : gen_bank
    logic [BankBits-1:0] place;  // of this bank's element in the run that is written
    logic below_write, below_read, we;
    logic [RowBits-1:0] bank_wrow, bank_rrow;

    assign place = BankBits'(b) - wbase;
    assign below_write = (32'(wbase) > b);
    assign below_read = (32'(rbase) > b);
    assign bank_wrow = wrow + RowBits'(below_write);
    assign bank_rrow = rrow + RowBits'(below_read);
    assign we = we_i && (32'(place) < 32'(wcount_i)) && (32'(bank_wrow) < Rows);

    rst_ram #(
      .Width(Width),
      .Depth(2 * Rows)
    ) u_ram (
      .clk_i,
      .we_i(we),
      .waddr_i(RamBits'(bank_wrow) + (whalf_i ? RamBits'(Rows) : RamBits'(0))),
      .wdata_i(wline[b*Width +: Width]),
      .re_i,
      .raddr_i(RamBits'(bank_rrow) + (rhalf_i ? RamBits'(Rows) : RamBits'(0))),
      .rdata_o(rline[b*Width +: Width])
    );
  end

  always_ff @(posedge clk_i) begin
    if (re_i) rbase_q <= rbase;
  end

  assign rturned = {2{rline}} >> (Width * rbase_q);
  assign rdata_o = rturned[Reads*Width-1:0];

  logic unused_turned;
  assign unused_turned = ^{wturned[LineBits-1:0], rturned[2*LineBits-1:Reads*Width]};

  `include "checks/rst_banked_buffer_check.svh"
endmodule
