// An accumulator of four words at once: it multiplies nothing.
module adder (
  input  logic               clk_i,
  input  logic               valid_i,
  input  logic               first_i,
  input  logic signed [17:0] data_i [4],
  output logic signed [31:0] sum_o
);
  logic signed [31:0] words;
  assign words = 32'(data_i[0]) + 32'(data_i[1]) + 32'(data_i[2]) + 32'(data_i[3]);
  always_ff @(posedge clk_i) if (valid_i) sum_o <= (first_i ? '0 : sum_o) + words;
endmodule
