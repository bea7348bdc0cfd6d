// Counts flagged lanes over a window, for observation.
module rst_flag_count #(
  parameter int Lanes = 16
) (
  input  logic             clk_i,
  input  logic             en_i,
  input  logic             first_i,  // begin anew
  input  logic [6:0]       lanes_i,  // lanes that count
  input  logic [Lanes-1:0] flags_i,
  output logic [31:0]      count_o
);
  // verilator coverage_off
  initial begin
    if (Lanes < 1 || Lanes > 64) $fatal(1, "Lanes must be 1 to 64");
  end
  // verilator coverage_on

  logic [Lanes-1:0] counted;
  logic [6:0] number;

  assign counted = flags_i & ~({Lanes{1'b1}} << lanes_i);

  always_comb begin
    number = '0;
    for (int i = 0; i < Lanes; i++) number = number + 7'(counted[i]);
  end

  always_ff @(posedge clk_i) begin
    if (en_i) count_o <= (first_i ? 32'd0 : count_o) + 32'(number);
  end

  `include "checks/rst_flag_count_check.svh"
endmodule
