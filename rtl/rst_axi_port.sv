// The array's memory port as an AXI4 master. Every access of the array is one transfer of one beat; the descriptor list is
// read in bursts while the array is idle. In a system whose memory is always ready the array keeps its cycles.
//
// AXI does not order reads behind writes. So a read waits while its address lies between the lowest and the highest that
// have been written without an answer; with an answer in the next cycle it never has to.
module rst_axi_port #(
  parameter int BUS_BITS = 64,
  parameter int ADDR_BITS = 64,
  localparam int Bytes = BUS_BITS / 8,
  localparam int ByteBits = $clog2(Bytes)
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic [ADDR_BITS-1:0] base_i,          // of beat 0; stable while the array runs

  // The array's port.
  input  logic                 rd_valid_i,
  input  logic [31:0]          rd_addr_i,
  input  logic                 wr_valid_i,
  input  logic [31:0]          wr_addr_i,
  input  logic [BUS_BITS-1:0]  wr_data_i,
  output logic                 mem_ready_o,
  output logic                 rsp_valid_o,
  output logic [BUS_BITS-1:0]  rsp_data_o,

  // A burst of the descriptor list, while the array is idle.
  input  logic                 fetch_valid_i,
  input  logic [ADDR_BITS-1:0] fetch_addr_i,
  output logic                 fetch_ready_o,
  input  logic                 fetch_open_i,     // answers belong to the list
  output logic                 fetch_data_valid_o,
  output logic [BUS_BITS-1:0]  fetch_data_o,
  input  logic                 fetch_data_ready_i,

  output logic                 writes_open_o,   // writes without an answer
  output logic                 read_error_o,    // an answer of this cycle says so
  output logic                 write_error_o,

  output logic                 m_axi_arvalid_o,
  input  logic                 m_axi_arready_i,
  output logic [ADDR_BITS-1:0] m_axi_araddr_o,
  output logic [7:0]           m_axi_arlen_o,
  input  logic                 m_axi_rvalid_i,
  output logic                 m_axi_rready_o,
  input  logic [BUS_BITS-1:0]  m_axi_rdata_i,
  input  logic [1:0]           m_axi_rresp_i,
  output logic                 m_axi_awvalid_o,
  input  logic                 m_axi_awready_i,
  output logic [ADDR_BITS-1:0] m_axi_awaddr_o,
  output logic                 m_axi_wvalid_o,
  input  logic                 m_axi_wready_i,
  output logic [BUS_BITS-1:0]  m_axi_wdata_o,
  input  logic                 m_axi_bvalid_i,
  output logic                 m_axi_bready_o,
  input  logic [1:0]           m_axi_bresp_i
);
  localparam int OpenBits = 8;
  localparam int FetchBeats = 256 / Bytes;       // of a descriptor, 256 bytes; 2 to 128

  function automatic logic [ADDR_BITS-1:0] byte_address(input logic [ADDR_BITS-1:0] base, input logic [31:0] beat);
    byte_address = base + (ADDR_BITS'(beat) << ByteBits);
  endfunction

  // Writes. The array holds a beat until both channels have taken it. ------------------------------------------------
  logic aw_taken_q, w_taken_q, write_room, write_done;
  logic [OpenBits-1:0] open_q;
  logic [31:0] low_q, high_q;                    // of the open writes

  assign write_room = (open_q != '1);
  assign m_axi_awvalid_o = wr_valid_i && write_room && !aw_taken_q;
  assign m_axi_wvalid_o = wr_valid_i && write_room && !w_taken_q;
  assign m_axi_awaddr_o = byte_address(base_i, wr_addr_i);
  assign m_axi_wdata_o = wr_data_i;
  assign m_axi_bready_o = 1'b1;
  assign write_done = wr_valid_i && write_room && (aw_taken_q || m_axi_awready_i) && (w_taken_q || m_axi_wready_i);
  assign writes_open_o = (open_q != '0);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      aw_taken_q <= 1'b0;
      w_taken_q <= 1'b0;
      open_q <= '0;
      low_q <= '0;
      high_q <= '0;
    end else begin
      aw_taken_q <= !write_done && (aw_taken_q || (m_axi_awvalid_o && m_axi_awready_i));
      w_taken_q <= !write_done && (w_taken_q || (m_axi_wvalid_o && m_axi_wready_i));
      open_q <= open_q + OpenBits'(write_done) - OpenBits'(m_axi_bvalid_i);
      if (write_done) begin
        low_q <= (open_q == '0 || wr_addr_i < low_q) ? wr_addr_i : low_q;
        high_q <= (open_q == '0 || wr_addr_i > high_q) ? wr_addr_i : high_q;
      end
    end
  end

  // Reads. The array may withdraw a read that was not accepted, AXI may not: it is kept here. -------------------------
  logic kept_q, hazard, read_ready;
  logic [31:0] kept_addr_q;

  assign hazard = (open_q != '0) && (rd_addr_i >= low_q) && (rd_addr_i <= high_q);
  assign read_ready = !kept_q && !hazard;
  assign mem_ready_o = rd_valid_i ? read_ready : write_done;

  assign m_axi_arvalid_o = fetch_valid_i || kept_q || (rd_valid_i && !hazard);
  assign m_axi_araddr_o = fetch_valid_i ? fetch_addr_i : byte_address(base_i, kept_q ? kept_addr_q : rd_addr_i);
  assign m_axi_arlen_o = fetch_valid_i ? 8'(FetchBeats - 1) : 8'd0;
  assign fetch_ready_o = m_axi_arready_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      kept_q <= 1'b0;
      kept_addr_q <= '0;
    end else if (kept_q) begin
      kept_q <= !m_axi_arready_i;
    end else if (rd_valid_i && !hazard && !m_axi_arready_i) begin
      kept_q <= 1'b1;
      kept_addr_q <= rd_addr_i;
    end
  end

  assign m_axi_rready_o = !fetch_open_i || fetch_data_ready_i;
  assign rsp_valid_o = m_axi_rvalid_i && !fetch_open_i;
  assign rsp_data_o = m_axi_rdata_i;
  assign fetch_data_valid_o = m_axi_rvalid_i && fetch_open_i;
  assign fetch_data_o = m_axi_rdata_i;

  // SLVERR and DECERR have the upper bit.
  assign read_error_o = m_axi_rvalid_i && m_axi_rready_o && m_axi_rresp_i[1];
  assign write_error_o = m_axi_bvalid_i && m_axi_bresp_i[1];

  logic unused_resp;
  assign unused_resp = m_axi_rresp_i[0] ^ m_axi_bresp_i[0];
endmodule
