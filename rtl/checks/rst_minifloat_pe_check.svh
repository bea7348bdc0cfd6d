// Assertions of rst_minifloat_pe, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS_ALL
`RST_ASSERT_ALWAYS(a_sign, direct_i || product_o == '0 || product_o[ProductBits-1] == negative)
`ifdef FORMAL
// Simulation starts with registers that hold anything, codes that are no numbers among them.
`RST_ASSERT_ALWAYS(a_no_loss, direct_i || (product_o == '0) == (significand == '0))
`endif
`endif
