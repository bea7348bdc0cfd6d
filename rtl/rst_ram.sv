// A memory with one write and one synchronous read port: the module to replace by a macro.
// The word read at the end of a cycle with re_i stays until the next read.
module rst_ram #(
  parameter int Width = 8,
  parameter int Depth = 16,
  localparam int AddrBits = ristretto_pkg::index_bits(Depth)
) (
  input  logic                clk_i,

  input  logic                we_i,
  input  logic [AddrBits-1:0] waddr_i,
  input  logic [Width-1:0]    wdata_i,

  input  logic                re_i,
  input  logic [AddrBits-1:0] raddr_i,
  output logic [Width-1:0]    rdata_o
);
  logic [Width-1:0] mem_q [Depth];

  // verilator coverage_off
  initial begin
    if (Width < 1 || Depth < 1) $fatal(1, "Width and Depth must be at least 1");
  end
  // verilator coverage_on

  always_ff @(posedge clk_i) begin
    if (we_i) mem_q[waddr_i] <= wdata_i;
    if (re_i) rdata_o <= mem_q[raddr_i];
  end

  `include "checks/rst_ram_check.svh"
endmodule
