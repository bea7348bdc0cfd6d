// The maximum over the positions of a pooling window, for one lane.
module rst_pool_max #(
  parameter int ActBits = 8,
  parameter bit UnsignedActivations = 1'b0,
  parameter bit Magnitudes = 1'b0  // 1: values are a sign and a magnitude, as minifloats are
) (
  input  logic               clk_i,
  input  logic               en_i,
  input  logic               first_i,     // the first position of a window
  input  logic               unsigned_i,  // values are; taken as 0 without UnsignedActivations
  input  logic [ActBits-1:0] data_i,
  output logic [ActBits-1:0] max_o
);
  // verilator coverage_off
  initial begin
    if (ActBits < 1) $fatal(1, "ActBits must be at least 1");
  end
  // verilator coverage_on

  // Unsigned values have the order of signed ones whose highest bit is inverted.
  logic flip, greater;
  if (UnsignedActivations) begin : gen_unsigned
    assign flip = unsigned_i;
  end else begin : gen_signed
    logic unused_unsigned;
    assign unused_unsigned = unsigned_i;
    assign flip = 1'b0;
  end
  localparam logic [ActBits-1:0] Highest = ActBits'(1) << (ActBits - 1);
  logic [ActBits-1:0] data_key, max_key;
  if (Magnitudes) begin : gen_magnitudes
    // The larger the magnitude behind a sign, the lower the number.
    assign data_key = data_i[ActBits-1] ? data_i ^ ~Highest : data_i;
    assign max_key = max_o[ActBits-1] ? max_o ^ ~Highest : max_o;
    logic unused_flip;
    assign unused_flip = flip;
  end else begin : gen_integers
    assign data_key = data_i ^ (flip ? Highest : '0);
    assign max_key = max_o ^ (flip ? Highest : '0);
  end
  assign greater = $signed(data_key) > $signed(max_key);

  always_ff @(posedge clk_i) begin
    if (en_i) max_o <= (first_i || greater) ? data_i : max_o;
  end

  `include "checks/rst_pool_max_check.svh"
endmodule
