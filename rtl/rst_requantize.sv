// ReLU, shift-round and saturate: docs/arithmetic.md section 5. Combinational.
// A right shift adds a rounding constant below the point and cuts; a left shift is exact.
module rst_requantize #(
  parameter int ACC_BITS = 32,
  parameter int ACT_BITS = 8,
  parameter int ROUNDING = ristretto_pkg::RoundNearest
) (
  input  logic signed [ACC_BITS-1:0] acc_i,
  input  logic                       relu_i,
  input  logic signed [6:0]          shift_i,     // ShiftMin to ShiftMax
  input  logic [4:0]                 out_bits_i,  // 1 to ACT_BITS
  output logic signed [ACT_BITS-1:0] out_o,
  output logic                       sat_o
);
  // Room for the accumulator shifted left as far as allowed, and for the largest rounding constant.
  localparam int Bits = ristretto_pkg::max_of(ACC_BITS - ristretto_pkg::ShiftMin, ristretto_pkg::ShiftMax + 1) + 1;

  logic [3:0] left;
  logic [5:0] right;
  logic signed [Bits-1:0] value, half, rounded, result, limit;
  logic negative;

  assign left  = (shift_i < 0) ? 4'(-shift_i) : 4'd0;
  assign right = (shift_i < 0) ? 6'd0 : shift_i[5:0];

  assign negative = acc_i[ACC_BITS-1];
  assign value = (relu_i && negative) ? '0 : Bits'(acc_i);
  assign half = Bits'((Bits'(1) << right) >> 1);  // 0 for no shift

  if (ROUNDING == ristretto_pkg::RoundNearest) begin : gen_nearest
    // A tie of a negative number goes down, away from zero.
    assign rounded = value + half - Bits'((value < 0 && right != 0) ? 1 : 0);
  end else if (ROUNDING == ristretto_pkg::RoundNearestEven) begin : gen_nearest_even
    // A tie goes up from an odd integer only.
    logic odd;
    assign odd = 1'(value >>> right);
    assign rounded = value + half - Bits'((!odd && right != 0) ? 1 : 0);
  end else if (ROUNDING == ristretto_pkg::RoundNearestUp) begin : gen_nearest_up
    assign rounded = value + half;
  end else begin : gen_truncate
    logic unused_half;
    assign unused_half = ^half;
    assign rounded = value;
  end

  assign result = (rounded >>> right) <<< left;

  // limit = 2^(out_bits - 1)
  assign limit = Bits'((Bits'(1) << out_bits_i) >> 1);
  always_comb begin
    if (result >= limit) begin
      out_o = ACT_BITS'(limit - Bits'(1));
      sat_o = 1'b1;
    end else if (result < -limit) begin
      out_o = ACT_BITS'(-limit);
      sat_o = 1'b1;
    end else begin
      out_o = ACT_BITS'(result);
      sat_o = 1'b0;
    end
  end
endmodule
