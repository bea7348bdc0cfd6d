// One output lane: Muls processing elements, the adder tree, the accumulator and requantization. In direct modes lane number
// Lane passes activation Lane on, shifted into place.
// The enables belong to the stages of docs/reference/array-timing.md section 5; a stage that is not enabled holds its registers.
module rst_lane #(
  parameter int Muls = 16,
  parameter int ActBits = 8,
  parameter int WgtBits = 8,
  parameter int AccBits = 32,
  parameter int Overflow = ristretto_pkg::OverflowWrap,
  parameter int FirstLevel = ristretto_pkg::FirstLevelExact,
  parameter int TreeRegisters = ristretto_pkg::TreeRegistersNone,
  parameter int Rounding = ristretto_pkg::RoundNearest,
  parameter int Lane = 0,
  parameter int Pe = ristretto_pkg::PeMultiplier,
  parameter bit ZeroCode = 1'b0,
  parameter int ExponentBits = 4,
  parameter int MantissaBits = 3,
  parameter bit Subnormals = 1'b1,
  parameter int Special = ristretto_pkg::SpecialNan,
  parameter bit ChannelShifts = 1'b0,
  parameter bit UnsignedActivations = 1'b0,
  parameter bit AveragePooling = 1'b0,
  localparam int InBits = ActBits + (UnsignedActivations ? 1 : 0),  // an activation with its sign
  localparam int BiasBits = AccBits + (ChannelShifts ? ristretto_pkg::ChannelShiftBits : 0),
  localparam int EnBits = ristretto_pkg::max_of(ristretto_pkg::tree_stages(Muls, TreeRegisters), 1)
) (
  input  logic                    clk_i,

  input  logic                    operand_en_i,  // t+1
  input  logic [Muls*WgtBits-1:0] wgt_i,
  input  logic                    product_en_i,  // t+2
  input  logic [Muls*InBits-1:0]  act_i,         // the operand register that all lanes share
  input  logic                    direct_i,
  input  logic [4:0]              align_i,
  input  logic [EnBits-1:0]       tree_en_i,     // t+3 ... t+2+T
  input  logic                    acc_en_i,      // t+3+T
  input  logic                    acc_first_i,   // first step of a position: begin with the bias
  input  logic [BiasBits-1:0]     bias_i,        // with ChannelShifts what its channel shifts more, above
  input  logic                    result_en_i,   // t+4+T, last step of a position
  input  logic                    relu_i,
  input  logic [15:0]             scale_i,
  input  logic signed [6:0]       shift_i,
  input  logic [4:0]              out_bits_i,
  input  logic                    lowest_i,
  input  logic                    unsigned_i,

  output logic                    ovf_o,         // from t+4+T: the accumulation of t+3+T overflowed
  output logic [ActBits-1:0]      result_o,      // from t+5+T
  output logic                    sat_o          // from t+5+T
);
  localparam bit Minifloat = (Pe == ristretto_pkg::PeMinifloat);
  localparam int ProductBits = Minifloat
      ? ristretto_pkg::minifloat_product_bits(ExponentBits, MantissaBits, Subnormals, Special)
      : ristretto_pkg::product_bits(Pe, InBits, WgtBits);
  localparam int TreeBits = ristretto_pkg::tree_bits(Muls, ProductBits, FirstLevel);

  // Processing elements.
  logic [Muls*WgtBits-1:0] wgt_q;
  logic [Muls*ProductBits-1:0] products_q;

  always_ff @(posedge clk_i) begin
    if (operand_en_i) wgt_q <= wgt_i;
  end

  for (genvar i = 0; i < Muls; i++) begin : gen_mul
    logic signed [InBits-1:0] act;
    logic [WgtBits-1:0] wgt;
    logic signed [ProductBits-1:0] product, direct, product_q;
    assign act = act_i[i*InBits +: InBits];
    assign wgt = wgt_q[i*WgtBits +: WgtBits];  // Icarus 11 loses some expressions at ports

    if (Minifloat) begin : gen_minifloat
      logic passes;
      assign passes = (i == Lane) ? direct_i : 1'b0;
      rst_minifloat_pe #(
        .ExponentBits(ExponentBits),
        .MantissaBits(MantissaBits),
        .Subnormals(Subnormals),
        .ProductBits(ProductBits)
      ) u_pe (
        .act_i(act),
        .wgt_i(wgt),
        .direct_i(passes),
        .align_i,
        .product_o(product)
      );
    end else begin : gen_integer
      rst_pe #(
        .Pe(Pe),
        .ActBits(InBits),
        .WgtBits(WgtBits),
        .ZeroCode(ZeroCode)
      ) u_pe (
        .act_i(act),
        .wgt_i(wgt),
        .product_o(product)
      );
    end

    if (i != Lane) begin : gen_idle
      assign direct = '0;
    end else if (Minifloat) begin : gen_direct_minifloat
      assign direct = product;
    end else begin : gen_direct
      assign direct = ProductBits'(act) <<< align_i;
    end
    always_ff @(posedge clk_i) begin
      if (product_en_i) product_q <= direct_i ? direct : product;
    end
    assign products_q[i*ProductBits +: ProductBits] = product_q;
  end

  if (Lane >= Muls) begin : gen_no_direct
    logic unused_align;
    assign unused_align = ^align_i;
  end

  // Adder tree.
  logic signed [TreeBits-1:0] tree_sum;

  rst_adder_tree #(
    .Inputs(Muls),
    .InBits(ProductBits),
    .FirstLevel(FirstLevel),
    .TreeRegisters(TreeRegisters)
  ) u_tree (
    .clk_i,
    .en_i(tree_en_i),
    .data_i(products_q),
    .sum_o(tree_sum)
  );

  // Accumulator.
  logic signed [AccBits-1:0] acc_q, acc_d;
  logic ovf_q, ovf_d;

  rst_accumulate #(
    .AccBits(AccBits),
    .AddBits(TreeBits),
    .Overflow(Overflow)
  ) u_accumulate (
    .acc_i(acc_first_i ? $signed(bias_i[AccBits-1:0]) : acc_q),
    .add_i(tree_sum),
    .acc_o(acc_d),
    .ovf_o(ovf_d)
  );

  always_ff @(posedge clk_i) begin
    if (acc_en_i) begin
      acc_q <= acc_d;
      ovf_q <= ovf_d;
    end
  end

  // What requantize shifts by: the channel's part stays with the sum that it belongs to.
  logic signed [6:0] shift;

  if (ChannelShifts) begin : gen_channel_shift
    logic signed [6:0] more_q;
    always_ff @(posedge clk_i) begin
      if (acc_en_i && acc_first_i) more_q <= bias_i[BiasBits-1:AccBits];
    end
    assign shift = shift_i + more_q;
  end else begin : gen_layer_shift
    assign shift = shift_i;
  end

  // Result.
  logic [ActBits-1:0] result_d;
  logic sat_d;

  if (Minifloat) begin : gen_minifloat_result
    rst_minifloat_round #(
      .AccBits(AccBits),
      .ExponentBits(ExponentBits),
      .MantissaBits(MantissaBits),
      .Subnormals(Subnormals),
      .Special(Special),
      .Rounding(Rounding)
    ) u_round (
      .acc_i(acc_q),
      .relu_i,
      .shift_i(shift[5:0]),
      .lowest_i,
      .out_o(result_d),
      .sat_o(sat_d)
    );
    logic unused_integer;
    assign unused_integer = ^{scale_i, out_bits_i, unsigned_i, shift[6]};
  end else begin : gen_integer_result
    rst_requantize #(
      .AccBits(AccBits),
      .ActBits(ActBits),
      .Rounding(Rounding),
      .AveragePooling(AveragePooling),
      .UnsignedActivations(UnsignedActivations)
    ) u_requantize (
      .acc_i(acc_q),
      .relu_i,
      .scale_i,
      .shift_i(shift),
      .out_bits_i,
      .lowest_i,
      .unsigned_i,
      .out_o(result_d),
      .sat_o(sat_d)
    );
  end

  always_ff @(posedge clk_i) begin
    if (result_en_i) begin
      result_o <= result_d;
      sat_o <= sat_d;
    end
  end

  assign ovf_o = ovf_q;
endmodule
