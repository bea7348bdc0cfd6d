// One step of rst_lane from operands to result: products summed one after the other in a wide word,
// against multipliers, tree and accumulator. The registers are made transparent (transparent.v); the first step of a position
// takes the bias. Requantize is proven on its own: here it only truncates, by one SHIFT a proof; the shifts from 0 to
// AccBits - ACT_BITS together show every bit of the sum.
module lane #(
  parameter int MULS = 4,
  parameter int ACT_BITS = 4,
  parameter int WGT_BITS = 4,
  parameter int FIRST_LEVEL = 0,
  parameter int TREE_REGS = 0,
  parameter int SHIFT = 0
) (
  input  logic                            clk,
  input  logic [MULS*ACT_BITS-1:0]        act,
  input  logic [MULS*WGT_BITS-1:0]        wgt,
  input  logic signed [ACT_BITS+WGT_BITS+6:0] bias,
  output logic                            wrong
);
  localparam int AccBits = ACT_BITS + WGT_BITS + 8;  // holds every sum of 64 products and the bias
  localparam int EnBits = ristretto_pkg::max_of(ristretto_pkg::tree_stages(MULS, TREE_REGS), 1);

  logic signed [ACT_BITS-1:0] result;
  logic ovf, sat;

  rst_lane #(
    .MULS(MULS),
    .ACT_BITS(ACT_BITS),
    .WGT_BITS(WGT_BITS),
    .ACC_BITS(AccBits),
    .OVERFLOW(ristretto_pkg::OverflowSaturate),
    .FIRST_LEVEL(FIRST_LEVEL),
    .TREE_REGS(TREE_REGS),
    .ROUNDING(ristretto_pkg::RoundTruncate)
  ) u_dut (
    .clk_i(clk),
    .operand_en_i(1'b1),
    .wgt_i(wgt),
    .product_en_i(1'b1),
    .act_i(act),
    .direct_i(1'b0),
    .align_i(5'd0),
    .tree_en_i({EnBits{1'b1}}),
    .acc_en_i(1'b1),
    .acc_first_i(1'b1),
    .bias_i({bias[ACT_BITS+WGT_BITS+6], bias}),
    .result_en_i(1'b1),
    .relu_i(1'b0),
    .scale_i(16'd1),
    .shift_i(7'(SHIFT)),
    .out_bits_i(5'(ACT_BITS)),
    .lowest_i(1'b0),
    .unsigned_i(1'b0),
    .ovf_o(ovf),
    .result_o(result),
    .sat_o(sat)
  );

  localparam int Wide = AccBits + 4;
  logic [(MULS+1)*Wide-1:0] sums;
  assign sums[Wide-1:0] = {{(Wide-ACT_BITS-WGT_BITS-7){bias[ACT_BITS+WGT_BITS+6]}}, bias};

  for (genvar i = 0; i < MULS; i++) begin : gen_product
    logic signed [ACT_BITS-1:0] a;
    logic signed [WGT_BITS-1:0] w;
    logic signed [ACT_BITS+WGT_BITS-1:0] product;
    logic signed [Wide-1:0] before, wide;
    assign a = act[i*ACT_BITS +: ACT_BITS];
    assign w = wgt[i*WGT_BITS +: WGT_BITS];
    assign product = a * w;
    assign wide = product;
    assign before = sums[i*Wide +: Wide];
    assign sums[(i+1)*Wide +: Wide] = before + wide;
  end

  // Floor of the sum over 2^SHIFT, clipped to ACT_BITS.
  logic signed [Wide-1:0] total, scaled, highest;
  assign total = sums[MULS*Wide +: Wide];
  assign scaled = total >>> SHIFT;
  assign highest = (1 << (ACT_BITS - 1)) - 1;

  logic too_high, too_low;
  logic [ACT_BITS-1:0] wanted;
  assign too_high = (scaled > highest);
  assign too_low = (scaled < ~highest);
  assign wanted = too_high ? {1'b0, {(ACT_BITS-1){1'b1}}} : too_low ? {1'b1, {(ACT_BITS-1){1'b0}}} : scaled[ACT_BITS-1:0];

  assign wrong = ovf || (sat != (too_high || too_low)) || (result != wanted);
endmodule
