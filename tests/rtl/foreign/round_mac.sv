// A multiplier with an adder whose output is rounded to the nearest, ties up, and saturated. EARLY: it saturates before
// it rounds, so that half a step below the limit wraps.
module round_mac #(parameter bit EARLY = 1'b0) (
  input  logic signed [7:0]  a_i,
  input  logic signed [7:0]  b_i,
  input  logic signed [23:0] c_i,
  input  logic [3:0]         shift_i,
  output logic signed [7:0]  q_o
);
  logic signed [23:0] sum;
  logic signed [24:0] half, rounded, cut, judged;
  assign sum = a_i * b_i + c_i;
  assign half = (25'sd1 <<< shift_i) >>> 1;
  assign rounded = (sum + half) >>> shift_i;
  assign cut = sum >>> shift_i;
  assign judged = EARLY ? cut : rounded;
  assign q_o = (judged > 127) ? 8'sd127 : (judged < -128) ? -8'sd128 : rounded[7:0];
endmodule
