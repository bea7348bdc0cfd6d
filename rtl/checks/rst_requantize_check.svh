// Assertions of rst_requantize, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS_ALL
// Of legal widths and shifts: the result keeps its range, saturates to the ends of it, and to no
// less than zero after ReLU.
logic legal;
logic signed [ActBits+1:0] wide_out, wide_top, wide_bottom;
assign legal = (out_bits_i != '0) && (32'(out_bits_i) <= ActBits) &&
    (32'(shift_i) >= ristretto_pkg::ShiftMin) && (32'(shift_i) <= ristretto_pkg::ShiftMax);
assign wide_out = {{2{out_o[ActBits-1] && !no_sign}}, out_o};
assign wide_top = {1'b0, top};
assign wide_bottom = {bottom[ActBits], bottom};
`RST_ASSERT_ALWAYS(a_in_range, !legal || (wide_out <= wide_top && wide_out >= wide_bottom))
`RST_ASSERT_ALWAYS(a_saturated,
    !(legal && (sat_o || lowest_i)) || wide_out == wide_top || wide_out == wide_bottom)
`RST_ASSERT_ALWAYS(a_relu, !(legal && relu_i && !lowest_i) || wide_out >= 0)
`endif
