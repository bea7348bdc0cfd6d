// Frozen as a whole by `ce`. The accumulator is emptied by a cycle of `sclr` of its own, begins
// with a bias, and wraps; the result is cut by a shift, rounded half up, rectified and saturated to
// eight bits without a sign. Weights are a sign and a magnitude.
`include "ce_mac.svh"
module ce_mac #(parameter int N = 2) (
  input  logic                clk, ce, sclr,
  input  logic [N-1:0][5:0]   a,
  input  logic [N-1:0][4:0]   b,
  input  logic [15:0]         bias,
  input  logic [3:0]          shift,
  output logic [`CE_ACC-1:0]  acc,
  output logic [7:0]          y
);
  logic signed [`CE_ACC-1:0] sum, rounded;
  logic signed [11:0] p [N];
  logic go;
  always_ff @(posedge clk) if (ce) begin
    for (int i = 0; i < N; i++) p[i] <= b[i][4] ? -($signed(a[i]) * $signed({1'b0, b[i][3:0]})) : $signed(a[i]) * $signed({1'b0, b[i][3:0]});
    go <= !sclr;
    if (sclr) begin
      sum <= `CE_ACC'(signed'(bias));
    end else if (go) begin
      sum <= sum + `CE_ACC'(p[0]) + `CE_ACC'(p[1]);
    end
  end
  assign acc = sum;
  assign rounded = (shift == 0) ? sum : (sum + (`CE_ACC'(1) <<< (shift - 1))) >>> shift;
  always_ff @(posedge clk) if (ce) y <= (sum < 0 || rounded < 0) ? '0 : (rounded > 255) ? '1 : rounded[7:0];
endmodule
