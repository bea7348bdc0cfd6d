// Nine products at once, no clock: pixels without a sign in ports of their own, weights in an
// unpacked array.
module comb_dot (
  input  logic [7:0]         p1, p2, p3, p4, p5, p6, p7, p8, p9,
  input  logic signed [7:0]  k [9],
  output logic signed [20:0] conv
);
  assign conv = $signed({1'b0, p1}) * k[0] + $signed({1'b0, p2}) * k[1] + $signed({1'b0, p3}) * k[2]
              + $signed({1'b0, p4}) * k[3] + $signed({1'b0, p5}) * k[4] + $signed({1'b0, p6}) * k[5]
              + $signed({1'b0, p7}) * k[6] + $signed({1'b0, p8}) * k[7] + $signed({1'b0, p9}) * k[8];
endmodule
