// Assertions of rst_job, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS
logic was_busy_q;
logic [15:0] count_q;
always_ff @(posedge clk_i or negedge rst_ni) begin
  if (!rst_ni) begin
    was_busy_q <= 1'b0;
    count_q <= '0;
  end else begin
    was_busy_q <= busy_o || start_i;
    count_q <= count_i;
  end
end
`RST_ASSERT(a_state, state_q != 3'd7)
`RST_ASSERT(a_part_range, 32'(part) <= ProgDepth)
`RST_ASSERT(a_done_range, state_q == Idle || state_q == Refuse || done_q < count_i)
`RST_ASSERT(a_index_range, !(state_q == Request || state_q == Unpack) || index_q < part)
`RST_ASSUME(a_count_stays, !was_busy_q || count_i == count_q)
`RST_ASSUME(a_data_asked, !fetch_data_valid_i || fetch_open_o)
`RST_ASSERT(a_program_idle, !prog_we_o || state_q == Unpack)
`RST_ASSERT(a_part_fetched, !(state_q == Start || state_q == Run || state_q == Drain) ||
    (run_count_o != '0 && index_q == part))
`RST_KNOWN(k_controls, {busy_o, fetch_valid_o, prog_we_o, run_start_o, running_o, finish_o})
`endif
