// rst_minifloat_round against thresholds: the magnitude's code is at least c exactly if the sum reaches the point between the
// numbers of c - 1 and c from which it is rounded up.
module minifloat_round #(
  parameter int ACC_BITS = 10,
  parameter int EXPONENT_BITS = 2,
  parameter int MANTISSA_BITS = 1,
  parameter int SUBNORMALS = 1,
  parameter int SPECIAL = 0,
  parameter int ROUNDING = 1,
  parameter int SHIFT = 1,
  parameter int SPECIFIED = ROUNDING,  // the rounding of the specification: another one must be refuted
  localparam int Bits = 1 + EXPONENT_BITS + MANTISSA_BITS
) (
  input  logic signed [ACC_BITS-1:0] acc,
  input  logic                       relu,
  input  logic                       lowest,
  output logic                       wrong
);
  localparam int MaxCode = ristretto_pkg::minifloat_max_code(EXPONENT_BITS, MANTISSA_BITS, SPECIAL);
  localparam int Wide = ACC_BITS + MANTISSA_BITS + (1 << EXPONENT_BITS) + SHIFT + 4;

  // The number of a code, in multiples of the smallest.
  function automatic logic [Wide-1:0] number(input int code);
    int field;
    logic [Wide-1:0] significand;
    field = code >> MANTISSA_BITS;
    significand = Wide'(code) & ((Wide'(1) << MANTISSA_BITS) - Wide'(1));
    if (field > 0 || (SUBNORMALS == 0 && code > 0)) significand = significand + (Wide'(1) << MANTISSA_BITS);
    number = significand << ((SUBNORMALS == 0) ? field : (field > 0) ? field - 1 : 0);
  endfunction

  logic [Bits-1:0] out;
  logic sat;

  rst_minifloat_round #(
    .ACC_BITS(ACC_BITS),
    .EXPONENT_BITS(EXPONENT_BITS),
    .MANTISSA_BITS(MANTISSA_BITS),
    .SUBNORMALS(SUBNORMALS),
    .SPECIAL(SPECIAL),
    .ROUNDING(ROUNDING)
  ) u_dut (
    .acc_i(acc),
    .relu_i(relu),
    .shift_i(6'(SHIFT)),
    .lowest_i(lowest),
    .out_o(out),
    .sat_o(sat)
  );

  logic negative;
  logic [Wide-1:0] value, twice;
  assign negative = (acc < 0) && !relu;
  assign value = (acc >= 0) ? Wide'($unsigned(acc)) : relu ? '0 : Wide'($unsigned({1'b0, -acc}));
  assign twice = value + value;

  logic [MaxCode+1:0] reach;
  assign reach[0] = 1'b1;
  for (genvar c = 1; c <= MaxCode + 1; c++) begin : gen_reach
    logic [Wide-1:0] below, here, border;
    assign below = number(c - 1) << SHIFT;
    assign here = number(c) << SHIFT;
    assign border = below + here;
    always_comb begin
      if (SPECIFIED == 3) reach[c] = negative ? (value > below) : (value >= here);
      else if (SPECIFIED == 2) reach[c] = negative ? (twice > border) : (twice >= border);
      else if (SPECIFIED == 1) reach[c] = (c % 2 == 0) ? (twice >= border) : (twice > border);
      else reach[c] = (twice >= border);
    end
  end

  logic [MaxCode:0] agrees;
  for (genvar c = 0; c <= MaxCode; c++) begin : gen_agree
    assign agrees[c] = ((32'(out[Bits-2:0]) >= c) == reach[c]);
  end

  logic least, rounded;
  assign least = out[Bits-1] && (32'(out[Bits-2:0]) == MaxCode) && !sat;
  assign rounded = (&agrees) && (sat == reach[MaxCode+1]) && (out[Bits-1] == (negative && reach[1])) &&
                   (32'(out[Bits-2:0]) <= MaxCode);
  assign wrong = lowest ? !least : !rounded;
endmodule
