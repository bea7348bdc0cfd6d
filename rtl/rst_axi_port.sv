// The array's memory port as an AXI4 master. An access of the array goes out in the cycle in which
// the array asks, as a burst of one beat; so in a system whose memory is always ready the array
// keeps its cycles. While the memory takes no address, accesses that follow one another are
// gathered: the first waits as it was presented, those after it become one burst (INCR, of up
// to 256 beats to read and Writes to write, within 4 KiB). The descriptor list is read in bursts
// while the array is idle.
//
// AXI does not order reads after writes. So a read waits while its address lies between the lowest
// and the highest that have been written without an answer; with an answer in the next cycle it
// never has to.
module rst_axi_port #(
  parameter int BusBits = 64,
  parameter int AddrBits = 64,
  parameter int Writes = 16,                     // beats that wait to be written, a power of two
  localparam int Bytes = BusBits / 8,
  localparam int ByteBits = $clog2(Bytes)
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic [AddrBits-1:0] base_i,         // of beat 0; stable while the array runs

  // The array's port.
  input  logic                rd_valid_i,
  input  logic [31:0]         rd_addr_i,
  input  logic                wr_valid_i,
  input  logic [31:0]         wr_addr_i,
  input  logic [BusBits-1:0]  wr_data_i,
  output logic                mem_ready_o,
  output logic                rsp_valid_o,
  output logic [BusBits-1:0]  rsp_data_o,

  // A burst of the descriptor list, while the array is idle.
  input  logic                fetch_valid_i,
  input  logic [AddrBits-1:0] fetch_addr_i,
  output logic                fetch_ready_o,
  input  logic                fetch_open_i,   // answers belong to the list
  output logic                fetch_data_valid_o,
  output logic [BusBits-1:0]  fetch_data_o,
  input  logic                fetch_data_ready_i,

  output logic                writes_open_o,  // writes without an answer
  output logic                read_error_o,   // an answer of this cycle says so
  output logic                write_error_o,

  output logic                m_axi_arvalid_o,
  input  logic                m_axi_arready_i,
  output logic [AddrBits-1:0] m_axi_araddr_o,
  output logic [7:0]          m_axi_arlen_o,
  input  logic                m_axi_rvalid_i,
  output logic                m_axi_rready_o,
  input  logic [BusBits-1:0]  m_axi_rdata_i,
  input  logic [1:0]          m_axi_rresp_i,
  output logic                m_axi_awvalid_o,
  input  logic                m_axi_awready_i,
  output logic [AddrBits-1:0] m_axi_awaddr_o,
  output logic [7:0]          m_axi_awlen_o,
  output logic                m_axi_wvalid_o,
  input  logic                m_axi_wready_i,
  output logic [BusBits-1:0]  m_axi_wdata_o,
  output logic                m_axi_wlast_o,
  input  logic                m_axi_bvalid_i,
  output logic                m_axi_bready_o,
  input  logic [1:0]          m_axi_bresp_i
);
  // verilator coverage_off
  initial begin
    if (BusBits < 16 || BusBits > 1024 || (BusBits & (BusBits - 1)) != 0)
      $fatal(1, "BusBits must be 16 to 1024, a power of two");
    if (AddrBits < 32 || AddrBits > 64) $fatal(1, "AddrBits must be 32 to 64");
    if (Writes < 2 || Writes > 256 || (Writes & (Writes - 1)) != 0)
      $fatal(1, "Writes must be 2 to 256, a power of two");
  end
  // verilator coverage_on

  localparam int OpenBits = 8;
  localparam int FetchBeats = 256 / Bytes;       // of a descriptor, 256 bytes; 2 to 128

  localparam int CountBits = $clog2(Writes) + 1;
  localparam logic [7:0] Longest = '1;           // arlen of 256 beats

  typedef struct packed {
    logic        valid;
    logic [31:0] addr;                           // beat
    logic [7:0]  len;                            // beats less one
  } burst_t;

  function automatic logic [AddrBits-1:0] byte_address(input logic [AddrBits-1:0] base,
                                                       input logic [31:0] beat);
    byte_address = base + (AddrBits'(beat) << ByteBits);
  endfunction

  // Whether a beat may become the last one of a burst that is not presented yet. None crosses 4
  // KiB.
  function automatic logic joins(input logic [31:0] addr, input logic [7:0] len,
                                 input logic [31:0] beat, input logic [11:0] low_address);
    joins = (beat == addr + 32'(len) + 32'd1) && (len != Longest) && (low_address != '0);
  endfunction

  // Writes. --------------------------------------------------------------------------------------
  // Without any that waits, a beat goes out at once. What the memory does not take in that cycle
  // waits in `wr_head_q`, which is presented and stays as it is, and `wr_tail_q`, which grows;
  // their beats wait in a queue.
  burst_t wr_head_q, wr_tail_q, wr_tail_now;
  logic write_ready, write_take, write_joins, aw_taken_q, aw_done, w_taken, wr_head_done;
  logic push, pop, queue_valid;
  logic [CountBits-1:0] queued_q;
  logic [8:0] sent_q, sent_now;                  // beats of `wr_head_q` that the memory has
  logic [BusBits-1:0] queue_data;
  logic [AddrBits-1:0] write_address;
  logic [OpenBits-1:0] open_q;                   // bursts without an answer
  logic [31:0] low_q, high_q;                    // of their beats

  assign write_address = byte_address(base_i, wr_addr_i);
  assign write_joins =
      wr_tail_q.valid && joins(wr_tail_q.addr, wr_tail_q.len, wr_addr_i, write_address[11:0]);
  assign write_ready = (open_q != '1) && (queued_q != CountBits'(Writes)) &&
                       (!wr_tail_q.valid || write_joins);
  assign write_take = wr_valid_i && write_ready;

  assign m_axi_awvalid_o = wr_head_q.valid ? !aw_taken_q : write_take;
  assign m_axi_awaddr_o = wr_head_q.valid ? byte_address(base_i, wr_head_q.addr) : write_address;
  assign m_axi_awlen_o = wr_head_q.valid ? wr_head_q.len : 8'd0;
  assign m_axi_wvalid_o = wr_head_q.valid ? (sent_q <= 9'(wr_head_q.len)) : write_take;
  assign m_axi_wdata_o = wr_head_q.valid ? queue_data : wr_data_i;
  assign m_axi_wlast_o = !wr_head_q.valid || (sent_q == 9'(wr_head_q.len));
  assign m_axi_bready_o = 1'b1;
  assign writes_open_o = (open_q != '0);

  assign w_taken = m_axi_wvalid_o && m_axi_wready_i;
  assign aw_done = aw_taken_q || (m_axi_awvalid_o && m_axi_awready_i);
  assign sent_now = sent_q + 9'(w_taken);
  assign wr_head_done = aw_done && (sent_now == 9'(wr_head_q.len) + 9'd1);
  assign push = write_take && (wr_head_q.valid || !w_taken);
  assign pop = wr_head_q.valid && w_taken;

  always_comb begin
    wr_tail_now = wr_tail_q;
    if (write_joins && write_take) begin
      wr_tail_now.len = wr_tail_q.len + 8'd1;
    end else if (write_take) begin
      wr_tail_now.valid = 1'b1;
      wr_tail_now.addr = wr_addr_i;
      wr_tail_now.len = 8'd0;
    end
  end

  rst_fifo #(
    .Width(BusBits),
    .Depth(Writes)
  ) u_queue (
    .clk_i,
    .rst_ni,
    .clear_i(1'b0),
    .push_i(push),
    .data_i(wr_data_i),
    .pop_i(pop),
    .data_o(queue_data),
    .valid_o(queue_valid)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      wr_head_q <= '0;
      wr_tail_q <= '0;
      aw_taken_q <= 1'b0;
      sent_q <= '0;
      queued_q <= '0;
      open_q <= '0;
      low_q <= '0;
      high_q <= '0;
    end else begin
      if (wr_head_q.valid && !wr_head_done) begin
        wr_tail_q <= wr_tail_now;
        aw_taken_q <= aw_done;
        sent_q <= sent_now;
      end else if (wr_head_q.valid) begin        // the next one takes its place
        wr_head_q <= wr_tail_now;
        wr_tail_q.valid <= 1'b0;
        aw_taken_q <= 1'b0;
        sent_q <= '0;
      end else if (write_take && !(aw_done && w_taken)) begin
        wr_head_q <= wr_tail_now;
        aw_taken_q <= aw_done;
        sent_q <= sent_now;
      end
      queued_q <= queued_q + CountBits'(push) - CountBits'(pop);
      open_q <= open_q + OpenBits'(write_take && !write_joins) - OpenBits'(m_axi_bvalid_i);
      if (write_take) begin
        low_q <= (open_q == '0 || wr_addr_i < low_q) ? wr_addr_i : low_q;
        high_q <= (open_q == '0 || wr_addr_i > high_q) ? wr_addr_i : high_q;
      end
    end
  end

  // Reads. ---------------------------------------------------------------------------------------
  // The same. The array may withdraw a read that was not accepted, AXI may not: `rd_head_q` keeps
  // it.
  burst_t rd_head_q, rd_tail_q, rd_tail_now;
  logic hazard, read_ready, read_take, read_joins;
  logic [AddrBits-1:0] read_address;

  assign read_address = byte_address(base_i, rd_addr_i);
  assign read_joins =
      rd_tail_q.valid && joins(rd_tail_q.addr, rd_tail_q.len, rd_addr_i, read_address[11:0]);
  assign hazard = (open_q != '0) && (rd_addr_i >= low_q) && (rd_addr_i <= high_q);
  assign read_ready = !hazard && (!rd_tail_q.valid || read_joins);
  assign read_take = rd_valid_i && read_ready;
  assign mem_ready_o = rd_valid_i ? read_ready : write_ready;

  assign m_axi_arvalid_o = fetch_valid_i || rd_head_q.valid || read_take;
  assign m_axi_araddr_o = fetch_valid_i   ? fetch_addr_i :
                          rd_head_q.valid ? byte_address(base_i, rd_head_q.addr) : read_address;
  assign m_axi_arlen_o = fetch_valid_i   ? 8'(FetchBeats - 1) :
                         rd_head_q.valid ? rd_head_q.len : 8'd0;
  assign fetch_ready_o = m_axi_arready_i;

  always_comb begin
    rd_tail_now = rd_tail_q;
    if (read_joins && read_take) begin
      rd_tail_now.len = rd_tail_q.len + 8'd1;
    end else if (read_take) begin
      rd_tail_now.valid = 1'b1;
      rd_tail_now.addr = rd_addr_i;
      rd_tail_now.len = 8'd0;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      rd_head_q <= '0;
      rd_tail_q <= '0;
    end else if (rd_head_q.valid ? m_axi_arready_i : (read_take && !m_axi_arready_i)) begin
      rd_head_q <= rd_tail_now;
      rd_tail_q.valid <= 1'b0;
    end else if (rd_head_q.valid) begin
      rd_tail_q <= rd_tail_now;
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

  logic unused_bits;
  assign unused_bits = m_axi_rresp_i[0] ^ m_axi_bresp_i[0] ^ queue_valid;

  `include "checks/rst_axi_port_check.svh"
endmodule
