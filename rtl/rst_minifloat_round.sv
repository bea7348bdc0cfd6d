// From a fixed-point sum to the minifloat that it is rounded to: docs/arithmetic.md section 10,
// requantize. Combinational. The sum's lowest bit lies shift_i bits below the lowest bit of the
// format's smallest number.
module rst_minifloat_round #(
  parameter int AccBits = 48,
  parameter int ExponentBits = 4,
  parameter int MantissaBits = 3,
  parameter bit Subnormals = 1'b1,
  parameter int Special = ristretto_pkg::SpecialNan,
  parameter int Rounding = ristretto_pkg::RoundNearestEven,
  localparam int Bits = 1 + ExponentBits + MantissaBits
) (
  input  logic signed [AccBits-1:0] acc_i,
  input  logic                      relu_i,
  input  logic [5:0]                shift_i,
  input  logic                      lowest_i,  // the lowest number, whatever the sum
  output logic [Bits-1:0]           out_o,
  output logic                      sat_o
);
  // verilator coverage_off
  initial begin
    if (ExponentBits < 1 || MantissaBits < 0)
      $fatal(1, "ExponentBits must be at least 1, MantissaBits 0");
    if (AccBits < 2) $fatal(1, "AccBits must be at least 2");
    if (Special < ristretto_pkg::SpecialFinite || Special > ristretto_pkg::SpecialIeee)
      $fatal(1, "Special is not known");
    if (Rounding < ristretto_pkg::RoundNearest || Rounding > ristretto_pkg::RoundTruncate)
      $fatal(1, "Rounding is not known");
  end
  // verilator coverage_on

  // Of the place of a bit of the sum, and of shift_i.
  localparam int PlaceBits = ristretto_pkg::index_bits(AccBits) + 2;
  // Of the sum, and of the first number, shifted.
  localparam int MagnitudeBits = ristretto_pkg::max_of(AccBits, MantissaBits + 66);
  localparam int CodeBits = PlaceBits + MantissaBits + 1;
  localparam int MaxCodeInt =
      ristretto_pkg::minifloat_max_code(ExponentBits, MantissaBits, Special);
  localparam logic [CodeBits-1:0] MaxCode = CodeBits'(MaxCodeInt);  // Icarus 11 casts no call

  logic negative, clipped;
  logic [AccBits-1:0] absolute;
  logic [MagnitudeBits-1:0] magnitude;
  assign clipped = relu_i && acc_i[AccBits-1];
  assign negative = acc_i[AccBits-1] && !relu_i;
  assign absolute = acc_i[AccBits-1] ? -acc_i : acc_i;
  assign magnitude = clipped ? '0 : MagnitudeBits'(absolute);

  // The highest bit that is set, and by how much the exponent is above the lowest one.
  logic [PlaceBits-1:0] top, lowest_top, extra, places;
  always_comb begin
    top = '0;
    for (int i = 0; i < AccBits; i++) if (magnitude[i]) top = PlaceBits'(i);
  end
  assign lowest_top = PlaceBits'(shift_i) + PlaceBits'(MantissaBits);
  assign extra = (top > lowest_top) ? top - lowest_top : '0;
  assign places = PlaceBits'(shift_i) + extra;

  // What lies below the last place of the number, and half of a step.
  logic [MagnitudeBits-1:0] whole, rest, half, one;
  assign one = MagnitudeBits'(1);
  assign whole = magnitude >> places;
  assign rest = magnitude & ((one << places) - one);
  assign half = (one << places) >> 1;

  logic [CodeBits-1:0] floor, code;
  logic above, tie, exact, up;
  if (Subnormals) begin : gen_subnormals
    assign floor = (CodeBits'(extra) << MantissaBits) + CodeBits'(whole);
    assign above = (rest > half);
    assign tie = (rest == half) && (places != '0);
    assign exact = (rest == '0);
  end else begin : gen_normal
    // Between zero and the first number lies one wide step: 2^MantissaBits + 1 places.
    logic [MagnitudeBits-1:0] first;
    logic below;
    assign first = MagnitudeBits'((1 << MantissaBits) + 1) << shift_i;
    assign below = (magnitude < first);
    assign floor = below ? '0 :
                   (CodeBits'(extra) << MantissaBits) + CodeBits'(whole) -
                   CodeBits'(1 << MantissaBits);
    assign above = below ? ((MagnitudeBits+1)'(magnitude) << 1) > (MagnitudeBits+1)'(first) :
                   (rest > half);
    assign tie = below ? ((MagnitudeBits+1)'(magnitude) << 1) == (MagnitudeBits+1)'(first) :
                 (rest == half) && (places != '0);
    assign exact = below ? (magnitude == '0) : (rest == '0);
  end

  if (Rounding == ristretto_pkg::RoundNearest) begin : gen_nearest
    assign up = above || tie;
  end else if (Rounding == ristretto_pkg::RoundNearestEven) begin : gen_nearest_even
    assign up = above || (tie && floor[0]);
  end else if (Rounding == ristretto_pkg::RoundNearestUp) begin : gen_nearest_up
    assign up = above || (tie && !negative);
  end else begin : gen_truncate
    assign up = negative && !exact;
  end
  assign code = floor + CodeBits'(up);

  logic beyond;
  logic [CodeBits-1:0] kept;
  assign beyond = (code > MaxCode);
  assign kept = (beyond || lowest_i) ? MaxCode : code;
  assign sat_o = beyond && !lowest_i;
  assign out_o = {lowest_i || (negative && kept != '0), kept[Bits-2:0]};

  logic unused;
  assign unused = ^{kept[CodeBits-1:Bits-1], whole, above, tie, exact};

  `include "checks/rst_minifloat_round_check.svh"
endmodule
