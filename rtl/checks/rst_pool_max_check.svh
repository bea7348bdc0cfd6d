// Assertions of rst_pool_max, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS_ALL
// The maximum is at least the value that came last, and at least what it was within the window.
logic seen_q, first_q;
logic [ActBits-1:0] data_key_q, max_key_q, order_q, kept_key;
initial seen_q = 1'b0;
always_ff @(posedge clk_i) begin
  if (en_i) begin
    seen_q <= 1'b1;
    first_q <= first_i;
    data_key_q <= data_key;
    max_key_q <= max_key;
    order_q <= (!Magnitudes && flip) ? Highest : '0;
  end
end
assign kept_key = (Magnitudes ? max_key : max_o) ^ order_q;
`RST_ASSERT_CLOCKED(a_greatest, !seen_q || $signed(kept_key) >= $signed(data_key_q))
`RST_ASSERT_CLOCKED(a_grows, !seen_q || first_q || $signed(kept_key) >= $signed(max_key_q))
`endif
