// A multiplier with inputs that spoil its result unless they are 0: a port, bits of a port whose other bits carry the
// operand, and an array.
module spare_mac (
  input  logic signed [11:0] a_i,      // bits 7 to 0 are the activation
  input  logic signed [7:0]  b_i,
  input  logic [3:0]         mode_i,
  input  logic [2:0]         taps_i [3],
  output logic signed [15:0] p_o
);
  logic signed [7:0] a;
  assign a = a_i[7:0];
  logic [15:0] spoilt;
  assign spoilt = 16'(unsigned'(a_i[11:8])) + 16'(mode_i) + 16'(taps_i[0] ^ taps_i[1] ^ taps_i[2]);
  assign p_o = a * b_i + $signed(spoilt);
endmodule
