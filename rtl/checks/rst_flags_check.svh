// Assertions of rst_flags, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS
// A half is reserved once, filled while it is reserved, emptied while it is full.
`RST_ASSUME(a_wgt_busy_set, (wgt_busy_set_i & wgt_busy_o) == '0)
`RST_ASSUME(a_act_busy_set, (act_busy_set_i & act_busy_o) == '0)
`RST_ASSUME(a_out_busy_set, (out_busy_set_i & out_busy_o) == '0)
`RST_ASSUME(a_wgt_full, (wgt_full_set_i & (wgt_full_o | ~wgt_busy_o)) == '0)
`RST_ASSUME(a_act_full, (act_full_set_i & (act_full_o | ~act_busy_o)) == '0)
`RST_ASSUME(a_out_full, (out_full_set_i & (out_full_o | ~out_busy_o)) == '0)
`RST_ASSUME(a_wgt_empty, (wgt_full_clear_i & ~wgt_full_o) == '0)
`RST_ASSUME(a_wgt_clear, (wgt_busy_clear_i & (wgt_full_o | wgt_full_set_i | ~wgt_busy_o)) == '0)
`RST_ASSUME(a_act_clear, (act_clear_i & ~act_full_o) == '0)
`RST_ASSUME(a_out_clear, (out_clear_i & ~out_full_o) == '0)

`RST_ASSERT(a_wgt_full_busy, (wgt_full_o & ~wgt_busy_o) == '0)
`RST_ASSERT(a_act_full_busy, (act_full_o & ~act_busy_o) == '0)
`RST_ASSERT(a_out_full_busy, (out_full_o & ~out_busy_o) == '0)
`RST_ASSUME(a_one_stored, out_clear_i != 2'b11)
`RST_KNOWN(k_flags, {wgt_busy_o, wgt_full_o, act_busy_o, act_full_o, out_busy_o, out_full_o})
`endif
