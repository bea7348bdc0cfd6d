// Assertions of rst_minifloat_round, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS_ALL
`RST_ASSERT_ALWAYS(a_number, CodeBits'(out_o[Bits-2:0]) <= MaxCode)
`RST_ASSERT_ALWAYS(a_saturated, !(sat_o || lowest_i) || CodeBits'(out_o[Bits-2:0]) == MaxCode)
`RST_ASSERT_ALWAYS(a_one_zero, out_o != {1'b1, {(Bits-1){1'b0}}})
`RST_ASSERT_ALWAYS(a_relu, !relu_i || lowest_i || !out_o[Bits-1])
`endif
