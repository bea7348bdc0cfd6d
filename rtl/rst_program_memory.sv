`include "ristretto_types.svh"

// Descriptors, a memory for each field, so that one is read whole in a cycle: word i of descriptor
// d at address 64 d + i.
module rst_program_memory #(
  parameter int Depth = 16,
  localparam int AddrBits = ristretto_pkg::index_bits(Depth)
) (
  input  logic                clk_i,

  input  logic                we_i,
  input  logic [AddrBits+5:0] waddr_i,
  input  logic [31:0]         wdata_i,

  input  logic                re_i,
  input  logic [AddrBits-1:0] raddr_i,
  output rst_desc_t           desc_o  // in the cycle after re_i, and until the next one
);
  // verilator coverage_off
  initial begin
    if (Depth < 1) $fatal(1, "Depth must be at least 1");
  end
  // verilator coverage_on

  logic [rst_desc_bits()-1:0] desc;

  for (genvar i = 0; i < ristretto_pkg::DescWords; i++) begin : gen_word
    localparam int Bits = ristretto_pkg::desc_bits(i);
    rst_ram #(
      .Width(Bits),
      .Depth(Depth)
    ) u_ram (
      .clk_i,
      .we_i(we_i && waddr_i[5:0] == 6'(i)),
      .waddr_i(waddr_i[AddrBits+5:6]),
      .wdata_i(wdata_i[Bits-1:0]),
      .re_i,
      .raddr_i,
      .rdata_o(desc[ristretto_pkg::desc_lsb(i) +: Bits])
    );
  end

  assign desc_o = desc;

  `include "checks/rst_program_memory_check.svh"
endmodule
