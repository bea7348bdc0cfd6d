// Assertions of rst_adder_tree, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS_ALL
// A sum of Inputs words lies between Inputs times their ends, once every stage of registers holds
// a word that came in.
localparam int CheckedStages = ristretto_pkg::tree_stages(Inputs, TreeRegisters);
localparam int RangeBits = OutBits + 8;
logic signed [RangeBits-1:0] wide_sum, range_end;
logic full;
assign wide_sum = RangeBits'(sum_o);
assign range_end = RangeBits'(Inputs) << (InBits - 1);
if (CheckedStages == 0 || Level != 1) begin : gen_check_full
  assign full = (Level == 1);
end else begin : gen_check_stages
  logic [EnBits-1:0] full_q;
  initial full_q = '0;
  always_ff @(posedge clk_i) full_q <= full_q | (en_i & {full_q[EnBits-1:0] << 1 | EnBits'(1)});
  assign full = full_q[EnBits-1];
end
`RST_ASSERT_CLOCKED(a_range, !full || (wide_sum < range_end && wide_sum >= -range_end))
`endif
