// Assertions of rst_fifo, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS
logic [IndexBits:0] held;
assign held = tail_q - head_q;

`RST_ASSERT(a_held, 32'(held) <= Depth)
`RST_ASSUME(a_push_room, !push_i || clear_i || 32'(held) < Depth)
`RST_ASSUME(a_pop_word, !pop_i || clear_i || valid_o)
`RST_KNOWN(k_valid, valid_o)
`endif
