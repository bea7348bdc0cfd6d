// ReLU, scale, shift-round and saturate: docs/arithmetic.md section 5. Combinational. A right shift
// adds a rounding constant below the point and cuts; a left shift is never made where it would
// saturate.
module rst_requantize #(
  parameter int AccBits = 32,
  parameter int ActBits = 8,
  parameter int Rounding = ristretto_pkg::RoundNearest,
  parameter bit AveragePooling = 1'b0,     // 0: scale_i is taken as 1
  parameter bit UnsignedActivations = 1'b0     // 0: unsigned_i is taken as 0
) (
  input  logic signed [AccBits-1:0] acc_i,
  input  logic                      relu_i,
  input  logic [15:0]               scale_i,
  input  logic signed [6:0]         shift_i,     // ShiftMin to ShiftMax
  input  logic [4:0]                out_bits_i,  // 1 to ActBits
  input  logic                      lowest_i,    // the lowest value of the range, whatever the sum
  input  logic                      unsigned_i,  // the result has no sign
  output logic [ActBits-1:0]        out_o,
  output logic                      sat_o
);
  // verilator coverage_off
  initial begin
    if (AccBits < 2 || ActBits < 1 || ActBits > 16)
      $fatal(1, "AccBits must be at least 2, ActBits 1 to 16");
    if (Rounding < ristretto_pkg::RoundNearest || Rounding > ristretto_pkg::RoundTruncate)
      $fatal(1, "Rounding is not known");
  end
  // verilator coverage_on

  localparam int ScaledBits = AccBits + (AveragePooling ? 16 : 0);
  // Room for the largest rounding constant, and for its sum with the largest value.
  localparam int Bits = ristretto_pkg::max_of(ScaledBits, ristretto_pkg::ShiftMax + 1) + 1;

  logic [3:0] left;
  logic [5:0] right;
  logic signed [AccBits-1:0] rectified;
  logic signed [Bits-1:0] value, half, rounded, result, highest, lowest;
  logic no_sign;

  assign left  = (shift_i < 0) ? 4'(-shift_i) : 4'd0;
  assign right = (shift_i < 0) ? 6'd0 : shift_i[5:0];

  assign rectified = (relu_i && acc_i[AccBits-1]) ? '0 : acc_i;
  if (AveragePooling) begin : gen_scale
    logic signed [ScaledBits-1:0] scale, scaled;
    assign scale = $signed(ScaledBits'({1'b0, scale_i}));
    assign scaled = ScaledBits'(rectified) * scale;
    assign value = Bits'(scaled);
  end else begin : gen_no_scale
    logic unused_scale;
    assign unused_scale = ^scale_i;
    assign value = Bits'(rectified);
  end
  assign half = Bits'((Bits'(1) << right) >> 1);  // 0 for no shift

  if (Rounding == ristretto_pkg::RoundNearest) begin : gen_nearest
    // A tie of a negative number goes down, away from zero.
    assign rounded = value + half - Bits'((value < 0 && right != 0) ? 1 : 0);
  end else if (Rounding == ristretto_pkg::RoundNearestEven) begin : gen_nearest_even
    // A tie goes up from an odd integer only.
    logic odd;
    assign odd = 1'(value >>> right);
    assign rounded = value + half - Bits'((!odd && right != 0) ? 1 : 0);
  end else if (Rounding == ristretto_pkg::RoundNearestUp) begin : gen_nearest_up
    assign rounded = value + half;
  end else begin : gen_truncate
    logic unused_half;
    assign unused_half = ^half;
    assign rounded = value;
  end

  assign result = rounded >>> right;

  if (UnsignedActivations) begin : gen_unsigned
    assign no_sign = unsigned_i;
  end else begin : gen_signed
    logic unused_unsigned;
    assign unused_unsigned = unsigned_i;
    assign no_sign = 1'b0;
  end

  // The ends of the range, one bit wider than the output: -2^(out_bits-1) or 0, and 2^(out_bits-1)
  // - 1 or 2^out_bits - 1.
  logic [ActBits:0] power, top, bottom;
  assign power = no_sign ? (ActBits+1)'(1) << out_bits_i :
                 (ActBits+1)'(((ActBits+2)'(1) << out_bits_i) >> 1);
  assign top = power - (ActBits+1)'(1);
  assign bottom = no_sign ? '0 : -power;

  // A left shift keeps a result in the range if the result lies in the range shifted right; both
  // ends round towards zero.
  logic [ActBits:0] top_kept, power_kept;
  assign top_kept = top >> left;
  assign power_kept = power >> left;
  assign highest = Bits'(top_kept);
  // Yosys 0.23 takes -Bits'(x) for (-Bits)'(x).
  assign lowest = no_sign ? '0 : Bits'(0) - Bits'(power_kept);

  always_comb begin
    if (lowest_i) begin
      out_o = bottom[ActBits-1:0];
      sat_o = 1'b0;
    end else if (result > highest) begin
      out_o = top[ActBits-1:0];
      sat_o = 1'b1;
    end else if (result < lowest) begin
      out_o = bottom[ActBits-1:0];
      sat_o = 1'b1;
    end else begin
      out_o = result[ActBits-1:0] << left;
      sat_o = 1'b0;
    end
  end

  logic unused_top;
  assign unused_top = ^{top[ActBits], bottom[ActBits]};

  `include "checks/rst_requantize_check.svh"
endmodule
