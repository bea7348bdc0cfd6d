// A multiplier of a sign and a magnitude: the lowest code of two's complement has no magnitude of 7 bits.
module odd_mac (
  input  logic signed [7:0]  a_i,
  input  logic signed [7:0]  b_i,
  output logic signed [15:0] p_o
);
  logic [6:0] a, b;
  logic signed [15:0] magnitude;
  assign a = a_i[7] ? 7'(-a_i) : a_i[6:0];
  assign b = b_i[7] ? 7'(-b_i) : b_i[6:0];
  assign magnitude = $signed(16'(a) * 16'(b));
  assign p_o = (a_i[7] ^ b_i[7]) ? -magnitude : magnitude;
endmodule
