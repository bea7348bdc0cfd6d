// One step of rst_lane from operands to result: products summed one after the other in a wide word,
// against multipliers, tree and accumulator. The registers are made transparent (transparent.v);
// the first step of a position takes the bias. Requantize is proven on its own: here it only
// truncates, by one Shift a proof; the shifts from 0 to AccBits - ActBits together show every bit
// of the sum.
module lane #(
  parameter int Muls = 4,
  parameter int ActBits = 4,
  parameter int WgtBits = 4,
  parameter int FirstLevel = 0,
  parameter int TreeRegisters = 0,
  parameter int Shift = 0
) (
  input  logic                              clk,
  input  logic [Muls*ActBits-1:0]           act,
  input  logic [Muls*WgtBits-1:0]           wgt,
  input  logic signed [ActBits+WgtBits+6:0] bias,
  output logic                              wrong
);
  localparam int AccBits = ActBits + WgtBits + 8;  // holds every sum of 64 products and the bias
  localparam int EnBits = ristretto_pkg::max_of(ristretto_pkg::tree_stages(Muls, TreeRegisters), 1);

  logic signed [ActBits-1:0] result;
  logic ovf, sat;

  rst_lane #(
    .Muls(Muls),
    .ActBits(ActBits),
    .WgtBits(WgtBits),
    .AccBits(AccBits),
    .Overflow(ristretto_pkg::OverflowSaturate),
    .FirstLevel(FirstLevel),
    .TreeRegisters(TreeRegisters),
    .Rounding(ristretto_pkg::RoundTruncate),
    .AveragePooling(1'b0)
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
    .bias_i({bias[ActBits+WgtBits+6], bias}),
    .result_en_i(1'b1),
    .relu_i(1'b0),
    .scale_i(16'd1),
    .shift_i(7'(Shift)),
    .out_bits_i(5'(ActBits)),
    .lowest_i(1'b0),
    .unsigned_i(1'b0),
    .ovf_o(ovf),
    .result_o(result),
    .sat_o(sat)
  );

  localparam int Wide = AccBits + 4;
  logic [(Muls+1)*Wide-1:0] sums;
  assign sums[Wide-1:0] = {{(Wide-ActBits-WgtBits-7){bias[ActBits+WgtBits+6]}}, bias};

  for (genvar i = 0; i < Muls; i++) begin : gen_product
    logic signed [ActBits-1:0] a;
    logic signed [WgtBits-1:0] w;
    logic signed [ActBits+WgtBits-1:0] product;
    logic signed [Wide-1:0] before, wide;
    assign a = act[i*ActBits +: ActBits];
    assign w = wgt[i*WgtBits +: WgtBits];
    assign product = a * w;
    assign wide = product;
    assign before = sums[i*Wide +: Wide];
    assign sums[(i+1)*Wide +: Wide] = before + wide;
  end

  // Floor of the sum over 2^Shift, clipped to ActBits.
  logic signed [Wide-1:0] total, scaled, highest;
  assign total = sums[Muls*Wide +: Wide];
  assign scaled = total >>> Shift;
  assign highest = (1 << (ActBits - 1)) - 1;

  logic too_high, too_low;
  logic [ActBits-1:0] wanted;
  assign too_high = (scaled > highest);
  assign too_low = (scaled < ~highest);
  assign wanted = too_high ? {1'b0, {(ActBits-1){1'b1}}} :
                  too_low  ? {1'b1, {(ActBits-1){1'b0}}} : scaled[ActBits-1:0];

  assign wrong = ovf || (sat != (too_high || too_low)) || (result != wanted);
endmodule
