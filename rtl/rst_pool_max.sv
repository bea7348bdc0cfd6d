// The maximum over the positions of a pooling window, for one lane.
module rst_pool_max #(
  parameter int ACT_BITS = 8
) (
  input  logic                       clk_i,
  input  logic                       en_i,
  input  logic                       first_i,  // the first position of a window
  input  logic signed [ACT_BITS-1:0] data_i,
  output logic signed [ACT_BITS-1:0] max_o
);
  always_ff @(posedge clk_i) begin
    if (en_i) max_o <= (first_i || data_i > max_o) ? data_i : max_o;
  end
endmodule
