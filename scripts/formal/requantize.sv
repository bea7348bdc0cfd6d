// rst_requantize against thresholds: the result is at least k exactly if the exact quotient reaches
// the point from which it is rounded to k or more. `wrong` must be 0 for every input with a legal
// shift and width.
module requantize #(
  parameter int AccBits = 10,
  parameter int ActBits = 4,
  parameter int Rounding = 0,
  parameter bit UnsignedActivations = 1'b0,         // 1: signed and unsigned ranges
  parameter int Scale = 0,            // 0: no scale
  parameter int Specified = Rounding  // of the specification: another one must be refuted
) (
  input  logic signed [AccBits-1:0] acc,
  input  logic                      relu,
  input  logic signed [6:0]         shift,
  input  logic [4:0]                out_bits,
  input  logic                      is_unsigned,
  input  logic                      lowest,
  output logic                      wrong
);
  localparam int Wide = AccBits + ActBits + 82;  // nothing below can overflow

  logic [ActBits-1:0] out_code;
  logic signed [ActBits+1:0] out;
  logic sat;

  rst_requantize #(
    .AccBits(AccBits),
    .ActBits(ActBits),
    .Rounding(Rounding),
    .AveragePooling((Scale != 0) ? 1 : 0),
    .UnsignedActivations(UnsignedActivations)
  ) u_dut (
    .acc_i(acc),
    .relu_i(relu),
    .scale_i(16'(Scale)),
    .shift_i(shift),
    .out_bits_i(out_bits),
    .lowest_i(lowest),
    .unsigned_i(is_unsigned),
    .out_o(out_code),
    .sat_o(sat)
  );

  logic no_sign, legal;
  assign no_sign = (UnsignedActivations) && is_unsigned;
  assign out = {{2{out_code[ActBits-1] && !no_sign}}, out_code};
  assign legal = (shift >= -7'sd15) && (shift <= 7'sd48) &&
                 (out_bits >= 5'd1) && (out_bits <= 5'(ActBits));

  logic signed [AccBits-1:0] rectified;
  logic signed [Wide-1:0] value;
  assign rectified = (relu && acc < 0) ? '0 : acc;
  assign value = (Scale != 0) ? $signed(Wide'(rectified)) * $signed(Wide'(Scale)) : rectified;

  logic [5:0] right;
  logic [3:0] left;
  assign right = (shift > 0) ? shift[5:0] : 6'd0;
  assign left = (shift < 0) ? 4'(-shift) : 4'd0;

  // reach[n]: the quotient is rounded to n - 2^(ActBits-1) or more, without saturation.
  localparam int Values = 3 << (ActBits - 1);  // both ranges: from -2^(ActBits-1) to 2^ActBits
  logic [Values:0] reach;

  for (genvar n = 0; n <= Values; n++) begin : gen_reach
    localparam int K = n - (1 << (ActBits - 1));
    logic signed [Wide-1:0] twice, border, floor, exact;
    assign twice = value <<< 1;
    assign exact = value <<< left;
    assign border = $signed(Wide'(2 * K - 1)) <<< right;  // twice the point half a step below K
    assign floor = $signed(Wide'(K)) <<< right;
    always_comb begin
      if (shift <= 0) reach[n] = (exact >= $signed(Wide'(K)));
      else if (Specified == 3) reach[n] = (value >= floor);
      else if (Specified == 2) reach[n] = (twice >= border);
      else if (Specified == 1) reach[n] = (K % 2 == 0) ? (twice >= border) : (twice > border);
      else reach[n] = (K > 0) ? (twice >= border) : (twice > border);
    end
  end

  // The range: -2^(out_bits-1) to 2^(out_bits-1) - 1, or 0 to 2^out_bits - 1.
  logic signed [ActBits+2:0] limit, least;
  // The first value above the range.
  assign limit = (ActBits + 3)'(1) <<< (no_sign ? out_bits : out_bits - 5'd1);
  assign least = no_sign ? '0 : -limit;

  logic [Values:0] agrees;
  for (genvar n = 0; n <= Values; n++) begin : gen_agree
    localparam int K = n - (1 << (ActBits - 1));
    logic signed [ActBits+2:0] k;
    assign k = K;
    // Within the format the result reaches K if the quotient does; it never leaves the format.
    assign agrees[n] = (k <= least) ? (out >= k) :
                       (k >= limit) ? (out < k) : ((out >= k) == reach[n]);
  end

  logic above, below, sat_agrees;
  logic [Values:0] above_at, below_at;
  for (genvar n = 0; n <= Values; n++) begin : gen_limits
    localparam int K = n - (1 << (ActBits - 1));
    logic signed [ActBits+2:0] k;
    assign k = K;
    assign above_at[n] = (k == limit) && reach[n];
    assign below_at[n] = (k == least) && !reach[n];
  end
  assign above = |above_at;
  assign below = |below_at;
  assign sat_agrees = (sat == (above || below));

  assign wrong = legal && (lowest ? out != least || sat : !((&agrees) && sat_agrees));
endmodule
