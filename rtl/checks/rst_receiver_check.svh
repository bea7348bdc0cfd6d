// Assertions of rst_receiver, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS
`RST_ASSUME(a_answer_phase, !rsp_valid_i || phase_valid)
`RST_ASSERT(a_beat_range, !rsp_valid_i ||
    beat_q <= ((unit_q == '0) ? phase.first_last : 24'(phase.step_last)))
`RST_ASSERT(a_unit_range, !rsp_valid_i || unit_q <= phase.steps)
`RST_ASSERT(a_one_buffer, !(act_we_o && wgt_we_o))
`RST_KNOWN(k_writes, {act_we_o, wgt_we_o, act_full_set_o, wgt_full_set_o})
`endif
