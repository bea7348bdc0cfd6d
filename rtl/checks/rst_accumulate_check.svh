// Assertions of rst_accumulate, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS_ALL
// Taken the other way round: what the sum is more than the accumulator was.
logic signed [Bits-1:0] more;
assign more = Bits'(acc_o) - Bits'(acc_i);
`RST_ASSERT_ALWAYS(a_exact, ovf_o || more == Bits'(add_i))
`RST_ASSERT_ALWAYS(a_rail, Overflow != ristretto_pkg::OverflowSaturate || !ovf_o ||
    acc_o == {add_i[AddBits-1], {(AccBits-1){!add_i[AddBits-1]}}})
`endif
