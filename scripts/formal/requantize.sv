// rst_requantize against thresholds: the result is at least k exactly if the exact quotient reaches the point from which
// it is rounded to k or more. `wrong` must be 0 for every input with a legal shift and width.
module requantize #(
  parameter int ACC_BITS = 10,
  parameter int ACT_BITS = 4,
  parameter int ROUNDING = 0,
  parameter int SPECIFIED = ROUNDING  // the rounding of the specification: another one must be refuted
) (
  input  logic signed [ACC_BITS-1:0] acc,
  input  logic                       relu,
  input  logic signed [6:0]          shift,
  input  logic [4:0]                 out_bits,
  output logic                       wrong
);
  localparam int Wide = ACC_BITS + ACT_BITS + 66;  // nothing below can overflow

  logic signed [ACT_BITS-1:0] out;
  logic sat;

  rst_requantize #(
    .ACC_BITS(ACC_BITS),
    .ACT_BITS(ACT_BITS),
    .ROUNDING(ROUNDING)
  ) u_dut (
    .acc_i(acc),
    .relu_i(relu),
    .shift_i(shift),
    .out_bits_i(out_bits),
    .out_o(out),
    .sat_o(sat)
  );

  logic legal;
  assign legal = (shift >= -7'sd15) && (shift <= 7'sd48) && (out_bits >= 5'd1) && (out_bits <= 5'(ACT_BITS));

  logic signed [ACC_BITS-1:0] rectified;
  logic signed [Wide-1:0] value;
  assign rectified = (relu && acc < 0) ? '0 : acc;
  assign value = rectified;

  logic [5:0] right;
  logic [3:0] left;
  assign right = (shift > 0) ? shift[5:0] : 6'd0;
  assign left = (shift < 0) ? 4'(-shift) : 4'd0;

  // reach[n]: the quotient is rounded to n - 2^(ACT_BITS-1) or more, without saturation.
  localparam int Values = 1 << ACT_BITS;
  logic [Values:0] reach;

  for (genvar n = 0; n <= Values; n++) begin : gen_reach
    localparam int K = n - (1 << (ACT_BITS - 1));
    logic signed [Wide-1:0] twice, border, least, exact;
    assign twice = value <<< 1;
    assign exact = value <<< left;
    assign border = $signed(Wide'(2 * K - 1)) <<< right;  // twice the point half a step below K
    assign least = $signed(Wide'(K)) <<< right;
    always_comb begin
      if (shift <= 0) reach[n] = (exact >= $signed(Wide'(K)));
      else if (SPECIFIED == 3) reach[n] = (value >= least);
      else if (SPECIFIED == 2) reach[n] = (twice >= border);
      else if (SPECIFIED == 1) reach[n] = (K % 2 == 0) ? (twice >= border) : (twice > border);
      else reach[n] = (K > 0) ? (twice >= border) : (twice > border);
    end
  end

  // The format of out_bits: values -2^(out_bits-1) to 2^(out_bits-1) - 1.
  logic signed [ACT_BITS:0] limit;
  assign limit = (ACT_BITS + 1)'(1) <<< (out_bits - 5'd1);

  logic [Values:0] agrees;
  for (genvar n = 0; n <= Values; n++) begin : gen_agree
    localparam int K = n - (1 << (ACT_BITS - 1));
    logic signed [ACT_BITS+1:0] k;
    assign k = K;
    // Within the format the result reaches K if the quotient does; it never leaves the format.
    assign agrees[n] = (k <= -limit) ? (out >= k) : (k >= limit) ? (out < k) : ((out >= k) == reach[n]);
  end

  logic above, below, sat_agrees;
  logic [Values:0] above_at, below_at;
  for (genvar n = 0; n <= Values; n++) begin : gen_limits
    localparam int K = n - (1 << (ACT_BITS - 1));
    logic signed [ACT_BITS+1:0] k;
    assign k = K;
    assign above_at[n] = (k == limit) && reach[n];
    assign below_at[n] = (k == -limit) && !reach[n];
  end
  assign above = |above_at;
  assign below = |below_at;
  assign sat_agrees = (sat == (above || below));

  assign wrong = legal && !((&agrees) && sat_agrees);
endmodule
