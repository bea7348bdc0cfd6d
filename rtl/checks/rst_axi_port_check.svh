// Assertions of rst_axi_port, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS
// AXI: what is presented stays as it is until it is taken.
logic ar_waits_q, aw_waits_q, w_waits_q, wlast_q;
logic fetch_waits_q;
logic [AddrBits-1:0] araddr_q, awaddr_q, base_q;
logic [7:0] arlen_q, awlen_q;
logic [BusBits-1:0] wdata_q;
always_ff @(posedge clk_i or negedge rst_ni) begin
  if (!rst_ni) begin
    ar_waits_q <= 1'b0;
    aw_waits_q <= 1'b0;
    w_waits_q <= 1'b0;
    wlast_q <= 1'b0;
    araddr_q <= '0;
    awaddr_q <= '0;
    arlen_q <= '0;
    base_q <= '0;
    fetch_waits_q <= 1'b0;
    awlen_q <= '0;
    wdata_q <= '0;
  end else begin
    ar_waits_q <= m_axi_arvalid_o && !m_axi_arready_i;
    aw_waits_q <= m_axi_awvalid_o && !m_axi_awready_i;
    w_waits_q <= m_axi_wvalid_o && !m_axi_wready_i;
    wlast_q <= m_axi_wlast_o;
    araddr_q <= m_axi_araddr_o;
    awaddr_q <= m_axi_awaddr_o;
    arlen_q <= m_axi_arlen_o;
    base_q <= base_i;
    fetch_waits_q <= fetch_valid_i && !m_axi_arready_i;
    awlen_q <= m_axi_awlen_o;
    wdata_q <= m_axi_wdata_o;
  end
end
`RST_ASSERT(a_ar_stays, !ar_waits_q ||
    (m_axi_arvalid_o && m_axi_araddr_o == araddr_q && m_axi_arlen_o == arlen_q))
`RST_ASSERT(a_aw_stays, !aw_waits_q ||
    (m_axi_awvalid_o && m_axi_awaddr_o == awaddr_q && m_axi_awlen_o == awlen_q))
`RST_ASSERT(a_w_stays, !w_waits_q ||
    (m_axi_wvalid_o && m_axi_wdata_o == wdata_q && m_axi_wlast_o == wlast_q))

// No burst crosses 4 KiB.
logic [19:0] ar_end, aw_end;
assign ar_end = 20'(m_axi_araddr_o[11:0]) + ((20'(m_axi_arlen_o) + 20'd1) << ByteBits);
assign aw_end = 20'(m_axi_awaddr_o[11:0]) + ((20'(m_axi_awlen_o) + 20'd1) << ByteBits);
`RST_ASSERT(a_ar_page, !m_axi_arvalid_o || ar_end <= 20'd4096)
`RST_ASSERT(a_aw_page, !m_axi_awvalid_o || aw_end <= 20'd4096)

`RST_ASSERT(a_queue, 32'(queued_q) <= Writes && (queued_q != '0) == queue_valid)
`RST_ASSERT(a_sent, sent_q <= 9'(wr_head_q.len) + 9'd1)
`RST_ASSERT(a_tail_has_head, (wr_head_q.valid || !wr_tail_q.valid) &&
    (rd_head_q.valid || !rd_tail_q.valid))
// The array's memory begins at a beat; the list is fetched while the array and the memory rest.
`RST_ASSUME(a_base, base_i[ByteBits-1:0] == '0)
`RST_ASSUME(a_base_stays, !wr_head_q.valid && !rd_head_q.valid || base_i == base_q)
`RST_ASSUME(a_fetch, !fetch_valid_i || (!rd_valid_i && !rd_head_q.valid &&
    fetch_addr_i[7:0] == '0))
`RST_ASSUME(a_fetch_stays, !fetch_waits_q || (fetch_valid_i && fetch_addr_i == araddr_q))
`RST_ASSUME(a_answered_write, !m_axi_bvalid_i || open_q != '0)
`RST_ASSUME(a_one_access, !(rd_valid_i && wr_valid_i))
`RST_KNOWN(k_valid, {m_axi_arvalid_o, m_axi_awvalid_o, m_axi_wvalid_o, writes_open_o})
`endif
