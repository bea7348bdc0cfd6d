// Assertions of rst_loader, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS
logic [3:0] reserved;
assign reserved = {wgt_busy_set_o, act_busy_set_o};

`RST_ASSERT(a_outstanding_range, 32'(outstanding_q) <= Outstanding)
`RST_ASSUME(a_answer_asked, !rsp_valid_i || outstanding_q != '0)
`RST_ASSERT(a_one_reserved, (reserved & (reserved - 4'd1)) == '0)
`RST_ASSERT(a_phase_reserves, phase_push_o == (reserved != '0))
`RST_ASSERT(a_phase_beats, !phase_push_o || phase_o.first_last != '1)
`RST_ASSERT(a_step_beats, !phase_push_o || phase_o.steps == '0 || phase_o.step_last != '1)
`RST_ASSERT(a_yields, !(rd_valid_o && wr_valid_i))
`RST_KNOWN(k_request, {rd_valid_o, rd_valid_o ? rd_addr_o : 32'd0, phase_push_o})
`endif
