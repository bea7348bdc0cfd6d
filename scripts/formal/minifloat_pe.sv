// rst_minifloat_pe against the product of two integers, each made from its code by doubling the
// significand step by step.
module minifloat_pe #(
  parameter int ExponentBits = 2,
  parameter int MantissaBits = 1,
  parameter bit Subnormals = 1'b1,
  parameter int Special = 0,
  localparam int Bits = 1 + ExponentBits + MantissaBits,
  localparam int Places = 1 << ExponentBits
) (
  input  logic [Bits-1:0] act,
  input  logic [Bits-1:0] wgt,
  input  logic            direct,
  input  logic [1:0]      align,
  output logic            wrong
);
  localparam int ProductBits =
      ristretto_pkg::minifloat_product_bits(ExponentBits, MantissaBits, Subnormals, Special);
  localparam int Wide = 2 * (MantissaBits + 1 + Places) + 6;
  localparam int MaxCode = ristretto_pkg::minifloat_max_code(ExponentBits, MantissaBits, Special);

  logic signed [ProductBits-1:0] product;

  rst_minifloat_pe #(
    .ExponentBits(ExponentBits),
    .MantissaBits(MantissaBits),
    .Subnormals(Subnormals),
    .ProductBits(ProductBits)
  ) u_dut (
    .act_i(act),
    .wgt_i(wgt),
    .direct_i(direct),
    .align_i(5'(align)),
    .product_o(product)
  );

  // value[p]: the significand doubled p times; the exponent's field says how often, one time less
  // with subnormals.
  logic [(Places+1)*Wide-1:0] act_values, wgt_values;
  logic [Wide-1:0] act_number, wgt_number;
  logic [ExponentBits-1:0] act_field, wgt_field;
  assign act_field = act[Bits-2:MantissaBits];
  assign wgt_field = wgt[Bits-2:MantissaBits];

  logic [Wide-1:0] act_rest, wgt_rest, hidden;
  assign hidden = Wide'(1) << MantissaBits;
  assign act_rest = Wide'(act[Bits-2:0]) & (hidden - Wide'(1));
  assign wgt_rest = Wide'(wgt[Bits-2:0]) & (hidden - Wide'(1));

  assign act_values[Wide-1:0] = act_rest + hidden;
  assign wgt_values[Wide-1:0] = wgt_rest + hidden;
  for (genvar p = 0; p < Places; p++) begin : gen_double
    assign act_values[(p+1)*Wide +: Wide] = act_values[p*Wide +: Wide] + act_values[p*Wide +: Wide];
    assign wgt_values[(p+1)*Wide +: Wide] = wgt_values[p*Wide +: Wide] + wgt_values[p*Wide +: Wide];
  end

  always_comb begin
    act_number = (Subnormals) ? act_rest : (act[Bits-2:0] == '0) ? '0 : act_rest + hidden;
    wgt_number = (Subnormals) ? wgt_rest : (wgt[Bits-2:0] == '0) ? '0 : wgt_rest + hidden;
    for (int f = 1; f < Places; f++) begin
      if (32'(act_field) == f) act_number = act_values[(f - (Subnormals ? 1 : 0))*Wide +: Wide];
      if (32'(wgt_field) == f) wgt_number = wgt_values[(f - (Subnormals ? 1 : 0))*Wide +: Wide];
    end
  end

  // A number passed on is one that is multiplied with 2^align.
  logic [Wide-1:0] factor, expected;
  logic signed [Wide-1:0] got;
  logic negative, numbers;
  assign factor = direct ? Wide'(1) << align : wgt_number;
  assign negative = act[Bits-1] ^ (wgt[Bits-1] && !direct);
  assign expected = negative ? -(act_number * factor) : act_number * factor;
  assign got = product;
  assign numbers = (32'(act[Bits-2:0]) <= MaxCode) && (32'(wgt[Bits-2:0]) <= MaxCode);
  assign wrong = numbers && (got != $signed(expected));
endmodule
