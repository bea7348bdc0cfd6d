// A processing element for minifloats (docs/arithmetic.md section 10): the product of two numbers
// as a fixed-point integer. The significands are multiplied, the exponents added, and the product
// is shifted to where it belongs. Combinational. In direct modes the activation is passed on,
// shifted by `align_i`.
module rst_minifloat_pe #(
  parameter int ExponentBits = 4,
  parameter int MantissaBits = 3,
  parameter bit Subnormals = 1'b1,
  parameter int ProductBits = 37,
  localparam int Bits = 1 + ExponentBits + MantissaBits
) (
  input  logic [Bits-1:0]               act_i,
  input  logic [Bits-1:0]               wgt_i,
  input  logic                          direct_i,
  input  logic [4:0]                    align_i,
  output logic signed [ProductBits-1:0] product_o
);
  // verilator coverage_off
  initial begin
    if (ExponentBits < 1 || MantissaBits < 0)
      $fatal(1, "ExponentBits must be at least 1, MantissaBits 0");
    if (ProductBits < 2 * (MantissaBits + 1) + 1)
      $fatal(1, "ProductBits must hold a product of significands");
  end
  // verilator coverage_on

  localparam int SignificandBits = MantissaBits + 1;
  localparam int PlaceBits = ristretto_pkg::max_of(ExponentBits, 5) + 1;

  logic [SignificandBits-1:0] act_significand, wgt_significand;
  logic [ExponentBits-1:0] act_field, wgt_field, act_place, wgt_place;
  logic [PlaceBits-1:0] place;
  logic negative;
  logic [2*SignificandBits-1:0] significand;
  logic [ProductBits-1:0] magnitude;

  assign act_field = act_i[MantissaBits +: ExponentBits];
  assign wgt_field = wgt_i[MantissaBits +: ExponentBits];

  // The place of a significand's lowest bit, counted from the format's smallest number; whether it
  // has a hidden one.
  logic act_hidden, wgt_hidden;
  if (Subnormals) begin : gen_subnormals
    assign act_hidden = (act_field != '0);
    assign wgt_hidden = (wgt_field != '0);
    assign act_place = act_hidden ? act_field - ExponentBits'(1) : '0;
    assign wgt_place = wgt_hidden ? wgt_field - ExponentBits'(1) : '0;
  end else begin : gen_normal
    assign act_hidden = (act_i[Bits-2:0] != '0);  // the code 0 alone is zero
    assign wgt_hidden = (wgt_i[Bits-2:0] != '0);
    assign act_place = act_field;
    assign wgt_place = wgt_field;
  end
  if (MantissaBits > 0) begin : gen_mantissa
    assign act_significand = {act_hidden, act_i[ristretto_pkg::max_of(MantissaBits-1, 0):0]};
    assign wgt_significand = {wgt_hidden, wgt_i[ristretto_pkg::max_of(MantissaBits-1, 0):0]};
  end else begin : gen_hidden_only
    assign act_significand = act_hidden;
    assign wgt_significand = wgt_hidden;
  end

  assign significand = (2*SignificandBits)'(act_significand) *
                       (direct_i ? (2*SignificandBits)'(1) : (2*SignificandBits)'(wgt_significand));
  assign place = PlaceBits'(act_place) + (direct_i ? PlaceBits'(align_i) : PlaceBits'(wgt_place));
  assign negative = act_i[Bits-1] ^ (wgt_i[Bits-1] && !direct_i);
  assign magnitude = ProductBits'(significand) << place;
  assign product_o = negative ? -magnitude : magnitude;

  `include "checks/rst_minifloat_pe_check.svh"
endmodule
