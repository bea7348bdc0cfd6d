`include "ristretto_types.svh"

// Places the answers of the memory into the buffers. They come in the order of the requests, so
// that the phases wait in a queue: at most one for each half of the weight and activation buffers.
module rst_receiver #(
  parameter int Elements = 16,       // a beat of the ifmap
  parameter int ActAddrBits = 8,
  parameter int StepAddrBits = 6
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic                    start_i,

  input  logic                    phase_push_i,
  input  rst_phase_t              phase_i,
  input  logic                    rsp_valid_i,

  output logic                    act_we_o,
  output logic                    wgt_we_o,
  output logic                    half_o,
  output logic [ActAddrBits-1:0]  act_addr_o,  // element
  output logic                    wgt_bias_o,
  output logic [StepAddrBits-1:0] wgt_step_o,
  output logic [15:0]             wgt_beat_o,
  output logic [1:0]              act_full_set_o,
  output logic [1:0]              wgt_full_set_o
);
  // verilator coverage_off
  initial begin
    if (Elements < 1 || ActAddrBits < 1 || StepAddrBits < 1)
      $fatal(1, "Elements, ActAddrBits and StepAddrBits must be at least 1");
  end
  // verilator coverage_on

  rst_phase_t phase;
  logic [rst_phase_bits()-1:0] phase_bits;
  logic phase_valid, unit_done, phase_done;

  logic [23:0] beat_q;                       // of the unit
  logic [15:0] unit_q;                       // 0: biases or ifmap; 1 + step
  logic [ActAddrBits-1:0] act_addr_q;

  rst_fifo #(
    .Width(rst_phase_bits()),
    .Depth(4)
  ) u_phases (
    .clk_i,
    .rst_ni,
    .clear_i(start_i),
    .push_i(phase_push_i),
    .data_i(phase_i),
    .pop_i(phase_done),
    .data_o(phase_bits),
    .valid_o(phase_valid)
  );
  assign phase = phase_bits;

  assign unit_done =
      rsp_valid_i && (beat_q == ((unit_q == '0) ? phase.first_last : 24'(phase.step_last)));
  assign phase_done = unit_done && (unit_q == phase.steps);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      beat_q <= '0;
      unit_q <= '0;
      act_addr_q <= '0;
    end else if (rsp_valid_i) begin
      beat_q <= unit_done ? '0 : beat_q + 24'd1;
      if (unit_done) unit_q <= phase_done ? '0 : unit_q + 16'd1;
      if (phase.ifmap) act_addr_q <= phase_done ? '0 : act_addr_q + ActAddrBits'(Elements);
    end
  end

  assign act_we_o = rsp_valid_i && phase_valid && phase.ifmap;
  assign wgt_we_o = rsp_valid_i && phase_valid && !phase.ifmap;
  assign half_o = phase.half;
  assign act_addr_o = act_addr_q;
  assign wgt_bias_o = (unit_q == '0);
  assign wgt_step_o = StepAddrBits'(unit_q - 16'd1);
  assign wgt_beat_o = beat_q[15:0];
  assign act_full_set_o = {phase_done && phase.ifmap && phase.half,
                           phase_done && phase.ifmap && !phase.half};
  assign wgt_full_set_o = {phase_done && !phase.ifmap && phase.half,
                           phase_done && !phase.ifmap && !phase.half};

  `include "checks/rst_receiver_check.svh"
endmodule
