`include "ristretto_types.svh"

// Writes finished ofmaps to memory, descriptor by descriptor. The output buffer is read a cycle
// before a beat is presented; in the cycle in which a beat is accepted the next one is read. Runs
// of beats go to consecutive addresses.
module rst_storer #(
  parameter int ActBits = 8,
  parameter int BusBits = 128,
  parameter int ProgDepth = 16,
  parameter int OutAddrBits = 8,
  localparam int Elements = BusBits / ActBits,
  localparam int ProgBits = ristretto_pkg::index_bits(ProgDepth)
) (
  input  logic                        clk_i,
  input  logic                        rst_ni,
  input  logic                        start_i,
  input  logic [15:0]                 n_desc_i,  // stable while busy

  output logic                        fetch_o,
  output logic [ProgBits-1:0]         fetch_addr_o,
  input  rst_desc_t                   desc_i,

  input  logic [1:0]                  out_full_i,
  output logic [1:0]                  out_clear_o,
  output logic                        finish_o,  // the last beat of the last descriptor is accepted

  output logic                        buf_re_o,
  output logic                        buf_half_o,
  output logic [OutAddrBits-1:0]      buf_addr_o,
  input  logic [Elements*ActBits-1:0] buf_data_i,

  output logic                        wr_valid_o,
  output logic [31:0]                 wr_addr_o,
  output logic [BusBits-1:0]          wr_data_o,
  input  logic                        mem_ready_i,
  output logic [15:0]                 obs_desc_o
);
  // verilator coverage_off
  initial begin
    if (ActBits < 1 || BusBits < ActBits) $fatal(1, "a beat must hold an activation");
    if (ProgDepth < 1 || OutAddrBits < 1) $fatal(1, "ProgDepth and OutAddrBits must be at least 1");
  end
  // verilator coverage_on

  typedef enum logic [2:0] {Idle, Fetch, Wait, Read, Send} state_e;
  state_e state_q, state_d;

  logic half_q;
  logic [OutAddrBits-1:0] buf_addr_q;
  logic [31:0] wr_addr_q;
  logic [23:0] beats_q;  // of the ofmap, left after the current one
  logic [23:0] run_q;    // of the run, left after the current one
  logic accept, last, run_last, ofmap_done, desc_last;

  /* verilator lint_off PINCONNECTEMPTY */
  rst_descriptor_walk #(
    .ProgDepth(ProgDepth)
  ) u_walk (
    .clk_i,
    .rst_ni,
    .start_i,
    .desc_next_i(ofmap_done),
    .group_next_i(1'b0),
    .n_desc_i,
    .desc_i,
    .desc_o(obs_desc_o),
    .fetch_addr_o,
    .desc_last_o(desc_last),
    .group_first_o(),
    .group_last_o(),
    .set_last_o()
  );
  /* verilator lint_on PINCONNECTEMPTY */

  assign accept = (state_q == Send) && mem_ready_i;
  assign last = (beats_q == '0);
  assign run_last = (run_q == '0);
  assign ofmap_done = accept && last;

  always_comb begin
    state_d = state_q;
    unique case (state_q)
      Idle: if (start_i) state_d = Fetch;
      Fetch: state_d = Wait;
      Wait: if (out_full_i[half_q]) state_d = Read;
      Read: state_d = Send;
      Send: begin
        if (finish_o) state_d = Idle;
        else if (ofmap_done) state_d = Fetch;
      end
      default: begin  // no such state
        // verilator coverage_block_off
        state_d = Idle;
      end
    endcase
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= Idle;
      half_q <= 1'b0;
      buf_addr_q <= '0;
      wr_addr_q <= '0;
      beats_q <= '0;
      run_q <= '0;
    end else begin
      state_q <= state_d;
      if (state_q == Idle) begin
        half_q <= 1'b0;
      end else if (ofmap_done) begin
        half_q <= !half_q;
      end
      if (state_q == Wait) begin
        buf_addr_q <= '0;
        wr_addr_q <= desc_i.ofmap_addr;
        beats_q <= desc_i.ofmap_beats - 24'd1;
        run_q <= desc_i.run_beats - 24'd1;
      end else begin
        if (buf_re_o) buf_addr_q <= buf_addr_q + OutAddrBits'(Elements);
        if (accept) begin
          wr_addr_q <= wr_addr_q + 32'd1 + (run_last ? 32'(desc_i.run_skip) : 32'd0);
          beats_q <= beats_q - 24'd1;
          run_q <= (run_last ? desc_i.run_beats : run_q) - 24'd1;
        end
      end
    end
  end

  assign fetch_o = (state_q == Fetch);
  assign out_clear_o = {ofmap_done && half_q, ofmap_done && !half_q};
  assign finish_o = ofmap_done && desc_last;

  assign buf_re_o = (state_q == Read) || (accept && !last);
  assign buf_half_o = half_q;
  assign buf_addr_o = buf_addr_q;

  assign wr_valid_o = (state_q == Send);
  assign wr_addr_o = wr_addr_q;

  // What a run does not fill of its last beat is zero.
  logic [Elements*ActBits-1:0] fill, filled;
  assign fill = run_last ?
                ~({(Elements*ActBits){1'b1}} << (ActBits * desc_i.ofmap_last_elems)) : '1;
  assign filled = buf_data_i & fill;
  assign wr_data_o = BusBits'(filled);

  logic unused_desc;
  assign unused_desc = ^desc_i;

  `include "checks/rst_storer_check.svh"
endmodule
