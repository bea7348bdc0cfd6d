`include "ristretto_types.svh"

// Carries steps down the pipeline: stage k of taps_o (from 1 on) is the step issued k cycles ago.
module rst_step_pipe #(
  parameter int Stages = 6,
  localparam int StepBits = rst_step_bits()
) (
  input  logic                       clk_i,
  input  logic                       rst_ni,
  input  rst_step_t                  step_i,
  output logic [Stages*StepBits-1:0] taps_o
);
  // verilator coverage_off
  initial begin
    if (Stages < 2) $fatal(1, "Stages must be at least 2");
  end
  // verilator coverage_on

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) taps_o <= '0;
    else taps_o <= {taps_o[(Stages-1)*StepBits-1:0], step_i};
  end

  `include "checks/rst_step_pipe_check.svh"
endmodule
