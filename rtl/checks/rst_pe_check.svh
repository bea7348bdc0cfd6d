// Assertions of rst_pe, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS_ALL
logic zero, negative_product;
assign zero = (act_i == '0) || ((Pe == ristretto_pkg::PeShifter)
    ? (ZeroCode && wgt_i == {wgt_i[WgtBits-1], {(WgtBits-1){1'b0}}}) : (wgt_i == '0));
assign negative_product = act_i[ActBits-1] ^ wgt_i[WgtBits-1];
`RST_ASSERT_ALWAYS(a_zero, (product_o == '0) == zero)
`RST_ASSERT_ALWAYS(a_sign, zero || product_o[ProductBits-1] == negative_product)
`endif
