// Assertions of rst_registers, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS
// AXI4-Lite: an answer stays as it is until it is taken.
logic b_waits_q, r_waits_q;
logic [1:0] bresp_q, rresp_q;
logic [31:0] rdata_q;
always_ff @(posedge clk_i or negedge rst_ni) begin
  if (!rst_ni) begin
    b_waits_q <= 1'b0;
    r_waits_q <= 1'b0;
    bresp_q <= '0;
    rresp_q <= '0;
    rdata_q <= '0;
  end else begin
    b_waits_q <= s_axil_bvalid_o && !s_axil_bready_i;
    r_waits_q <= s_axil_rvalid_o && !s_axil_rready_i;
    bresp_q <= s_axil_bresp_o;
    rresp_q <= s_axil_rresp_o;
    rdata_q <= s_axil_rdata_o;
  end
end
`RST_ASSERT(a_b_stays, !b_waits_q || (s_axil_bvalid_o && s_axil_bresp_o == bresp_q))
`RST_ASSERT(a_r_stays, !r_waits_q ||
    (s_axil_rvalid_o && s_axil_rresp_o == rresp_q && s_axil_rdata_o == rdata_q))
`RST_ASSERT(a_start_idle, !start_o || !busy_i)
`RST_KNOWN(k_state, {s_axil_bvalid_o, s_axil_rvalid_o, irq_o, done_q, error_q, list_o, count_o})
`endif
