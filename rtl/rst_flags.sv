// Handshake flags between loader, sequencer and storer. Per half of a buffer: `busy`, reserved by
// its producer, and `full`, ready for its consumer. Bit h belongs to half h. Every flag is a
// register: set or cleared at the end of a cycle, seen from the next one on.
module rst_flags (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        start_i,

  input  logic [1:0]  wgt_busy_set_i,
  input  logic [1:0]  wgt_busy_clear_i,
  input  logic [1:0]  wgt_full_set_i,
  input  logic [1:0]  wgt_full_clear_i,
  input  logic [1:0]  act_busy_set_i,
  input  logic [1:0]  act_full_set_i,
  input  logic [1:0]  act_clear_i,  // busy and full
  input  logic [1:0]  out_busy_set_i,
  input  logic [1:0]  out_full_set_i,
  input  logic [1:0]  out_clear_i,  // busy and full: an ofmap was stored

  output logic [1:0]  wgt_busy_o,
  output logic [1:0]  wgt_full_o,
  output logic [1:0]  act_busy_o,
  output logic [1:0]  act_full_o,
  output logic [1:0]  out_busy_o,
  output logic [1:0]  out_full_o,
  output logic [15:0] stored_o      // ofmaps in memory
);
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      wgt_busy_o <= '0;
      wgt_full_o <= '0;
      act_busy_o <= '0;
      act_full_o <= '0;
      out_busy_o <= '0;
      out_full_o <= '0;
      stored_o   <= '0;
    end else if (start_i) begin
      wgt_busy_o <= '0;
      wgt_full_o <= '0;
      act_busy_o <= '0;
      act_full_o <= '0;
      out_busy_o <= '0;
      out_full_o <= '0;
      stored_o   <= '0;
    end else begin
      wgt_busy_o <= (wgt_busy_o | wgt_busy_set_i) & ~wgt_busy_clear_i;
      wgt_full_o <= (wgt_full_o | wgt_full_set_i) & ~wgt_full_clear_i;
      act_busy_o <= (act_busy_o | act_busy_set_i) & ~act_clear_i;
      act_full_o <= (act_full_o | act_full_set_i) & ~act_clear_i;
      out_busy_o <= (out_busy_o | out_busy_set_i) & ~out_clear_i;
      out_full_o <= (out_full_o | out_full_set_i) & ~out_clear_i;
      stored_o   <= stored_o + 16'(|out_clear_i);
    end
  end

  `include "checks/rst_flags_check.svh"
endmodule
