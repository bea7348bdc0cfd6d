// Assertions of rst_weight_buffer, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS
`RST_ASSUME_CLOCKED(a_wgt_write_range, !we_i || wbias_i || 32'(wstep_i) < Depth)
`RST_ASSUME_CLOCKED(a_beat_range,
    !we_i || 32'(wbeat_i) < (wbias_i ? BiasBeats : StepBeats))
`RST_ASSUME_CLOCKED(a_wgt_read_range, !re_i || 32'(rstep_i) < Depth)
`RST_ASSUME_CLOCKED(a_other_half, !(we_i && re_i && !wbias_i) || whalf_i != rhalf_i)
`endif
