// Assertions of rst_storer, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS
`RST_ASSERT(a_state, state_q == Idle || state_q == Fetch || state_q == Wait || state_q == Read ||
    state_q == Send)
`RST_ASSERT(a_beats, !wr_valid_o || (beats_q < desc_i.ofmap_beats && run_q < desc_i.run_beats))
`RST_ASSERT(a_last_beat, !ofmap_done || run_last)
`RST_ASSERT(a_read_full, !buf_re_o || out_full_i[buf_half_o])
`RST_ASSERT(a_one_cleared, out_clear_o != 2'b11)
`RST_KNOWN(k_write, {wr_valid_o, finish_o, wr_valid_o ? {wr_addr_o, wr_data_o} : '0})
`endif
