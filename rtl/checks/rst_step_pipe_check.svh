// Assertions of rst_step_pipe, inside of it.
`include "checks/ristretto_assert.svh"
`ifdef RST_CHECKS
// What ends a descriptor ends a group, which ends a position of a window, which ends its steps.
`RST_ASSUME(a_nested, !step_i.valid ||
    ((!step_i.desc_last || step_i.group_last) &&
     (!step_i.group_last || (step_i.pos_last && step_i.last))))

// No step is lost or doubled: as many are on their way as came in and have not left.
logic [Stages-1:0] valid_at;
logic [7:0] entered_q, left_q, number;
for (genvar k = 0; k < Stages; k++) begin : gen_valid_at
  assign valid_at[k] = taps_o[k*StepBits + StepBits - 1];
end
always_comb begin
  number = '0;
  for (int k = 0; k < Stages; k = k + 1) number = number + 8'(valid_at[k]);
end
always_ff @(posedge clk_i or negedge rst_ni) begin
  if (!rst_ni) begin
    entered_q <= '0;
    left_q <= '0;
  end else begin
    entered_q <= entered_q + 8'(step_i.valid);
    left_q <= left_q + 8'(valid_at[Stages-1]);
  end
end
`RST_ASSERT(a_none_lost, 8'(entered_q - left_q) == number)
`RST_KNOWN(k_valid, {step_i.valid, valid_at})
`endif
