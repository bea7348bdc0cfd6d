// Assertions of rst_sequencer, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS
// Each loop stays below its count, and a position takes the steps that the descriptor says.
`RST_ASSERT(a_segments, !run || (chunk_left_q < desc_i.chunks && seg2_left_q < desc_i.seg2_count &&
    seg1_left_q < desc_i.seg1_count))
`RST_ASSERT(a_positions, !run || (wx_left_q < desc_i.pool_w && wy_left_q < desc_i.pool_h &&
    cx_q < desc_i.conv_w && cy_q < desc_i.conv_h))
`RST_ASSERT(a_windows, !run || (ox_left_q < desc_i.out_w && oy_left_q < desc_i.out_h))
`RST_ASSERT(a_steps, !run || wgt_step_q < desc_i.steps)
`RST_ASSERT(a_all_steps, !(run && pos_done) || wgt_step_q == desc_i.steps - 16'd1)
`RST_ASSERT(a_window_begins, !(run && step_o.pos_first) || (cx_q == ox_cx_q && cy_q == oy_cy_q))
`RST_ASSERT(a_mask, !run || (32'(act_low_o) <= Muls && 32'(act_high_o) <= Muls))
`RST_ASSERT(a_lanes, !run || (lanes != '0 && 32'(lanes) <= Lanes))
`RST_ASSERT(a_reserves_once, (out_busy_set_o & out_busy_i) == '0)
`RST_KNOWN(k_step, {step_o.valid, run ? {step_o, act_half_o, act_addr_o, act_low_o} : '0})
`endif
