// A double buffer of elements in banks: element e of a half lies in bank e mod BANKS, row e div BANKS. Any WRITES
// consecutive elements are written, any READS consecutive elements read in one cycle, from any element on.
// Addresses wrap; what is read outside the buffer has no meaning, what is written behind its last row is dropped.
module rst_banked_buffer #(
  parameter int WIDTH = 8,
  parameter int DEPTH = 256,  // elements in a half
  parameter int READS = 16,
  parameter int WRITES = 16,
  parameter int BANKS = 0,    // a power of two; 0: as many as are read or written in a cycle
  localparam int Banks = ristretto_pkg::banks_of(READS, WRITES, BANKS),
  localparam int AddrBits = ristretto_pkg::element_bits(DEPTH, Banks),
  localparam int CountBits = ristretto_pkg::index_bits(WRITES + 1)
) (
  input  logic                    clk_i,

  input  logic                    we_i,
  input  logic                    whalf_i,
  input  logic [AddrBits-1:0]     waddr_i,
  input  logic [CountBits-1:0]    wcount_i,  // elements to write, the lowest of wdata_i
  input  logic [WRITES*WIDTH-1:0] wdata_i,

  input  logic                    re_i,
  input  logic                    rhalf_i,
  input  logic [AddrBits-1:0]     raddr_i,
  output logic [READS*WIDTH-1:0]  rdata_o    // in the cycle after re_i, and until the next one
);
  localparam int Rows = ristretto_pkg::bank_rows(DEPTH, Banks);
  localparam int LogBanks = $clog2(Banks);
  localparam int BankBits = ristretto_pkg::index_bits(Banks);
  localparam int RowBits = AddrBits - LogBanks;
  localparam int RamBits = ristretto_pkg::index_bits(2 * Rows);
  localparam int LineBits = Banks * WIDTH;

  // verilator coverage_off
  initial begin
    if (Banks < READS || Banks < WRITES || (1 << LogBanks) != Banks) $fatal(1, "BANKS must be a power of two, enough for a cycle");
  end
  // verilator coverage_on

  // A run begins in bank `base` and row `row`; banks below `base` hold its elements of the next row.
  logic [BankBits-1:0] wbase, rbase, rbase_q;
  logic [RowBits-1:0] wrow, rrow;
  logic [LineBits-1:0] wline, rline;
  logic [2*LineBits-1:0] wturned, rturned;

  assign wbase = BankBits'(waddr_i & AddrBits'(Banks - 1));
  assign rbase = BankBits'(raddr_i & AddrBits'(Banks - 1));
  assign wrow = RowBits'(waddr_i >> LogBanks);
  assign rrow = RowBits'(raddr_i >> LogBanks);

  // The upper half of a line beside itself, shifted left, is the line rotated.
  assign wturned = {2{LineBits'(wdata_i)}} << (WIDTH * wbase);
  assign wline = wturned[2*LineBits-1:LineBits];

  for (genvar b = 0; b < Banks; b++) begin : gen_bank
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
      .WIDTH(WIDTH),
      .DEPTH(2 * Rows)
    ) u_ram (
      .clk_i,
      .we_i(we),
      .waddr_i(RamBits'(bank_wrow) + (whalf_i ? RamBits'(Rows) : RamBits'(0))),
      .wdata_i(wline[b*WIDTH +: WIDTH]),
      .re_i,
      .raddr_i(RamBits'(bank_rrow) + (rhalf_i ? RamBits'(Rows) : RamBits'(0))),
      .rdata_o(rline[b*WIDTH +: WIDTH])
    );
  end

  always_ff @(posedge clk_i) begin
    if (re_i) rbase_q <= rbase;
  end

  assign rturned = {2{rline}} >> (WIDTH * rbase_q);
  assign rdata_o = rturned[READS*WIDTH-1:0];

  logic unused_turned;
  assign unused_turned = ^{wturned[LineBits-1:0], rturned[2*LineBits-1:READS*WIDTH]};
endmodule
