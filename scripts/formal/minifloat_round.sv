// rst_minifloat_round against thresholds: the magnitude's code is at least c exactly if the sum
// reaches the point between the numbers of c - 1 and c from which it is rounded up.
module minifloat_round #(
  parameter int AccBits = 10,
  parameter int ExponentBits = 2,
  parameter int MantissaBits = 1,
  parameter bit Subnormals = 1'b1,
  parameter int Special = 0,
  parameter int Rounding = 1,
  parameter int Shift = 1,
  parameter int Specified = Rounding,  // of the specification: another one must be refuted
  localparam int Bits = 1 + ExponentBits + MantissaBits
) (
  input  logic signed [AccBits-1:0] acc,
  input  logic                      relu,
  input  logic                      lowest,
  output logic                      wrong
);
  localparam int MaxCode = ristretto_pkg::minifloat_max_code(ExponentBits, MantissaBits, Special);
  localparam int Wide = AccBits + MantissaBits + (1 << ExponentBits) + Shift + 4;

  // The number of a code, in multiples of the smallest.
  function automatic logic [Wide-1:0] number(input int code);
    int field;
    logic [Wide-1:0] significand;
    field = code >> MantissaBits;
    significand = Wide'(code) & ((Wide'(1) << MantissaBits) - Wide'(1));
    if (field > 0 || (!Subnormals && code > 0))
      significand = significand + (Wide'(1) << MantissaBits);
    number = significand << ((Subnormals == 0) ? field : (field > 0) ? field - 1 : 0);
  endfunction

  logic [Bits-1:0] out;
  logic sat;

  rst_minifloat_round #(
    .AccBits(AccBits),
    .ExponentBits(ExponentBits),
    .MantissaBits(MantissaBits),
    .Subnormals(Subnormals),
    .Special(Special),
    .Rounding(Rounding)
  ) u_dut (
    .acc_i(acc),
    .relu_i(relu),
    .shift_i(6'(Shift)),
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
    assign below = number(c - 1) << Shift;
    assign here = number(c) << Shift;
    assign border = below + here;
    always_comb begin
      if (Specified == 3) reach[c] = negative ? (value > below) : (value >= here);
      else if (Specified == 2) reach[c] = negative ? (twice > border) : (twice >= border);
      else if (Specified == 1) reach[c] = (c % 2 == 0) ? (twice >= border) : (twice > border);
      else reach[c] = (twice >= border);
    end
  end

  logic [MaxCode:0] agrees;
  for (genvar c = 0; c <= MaxCode; c++) begin : gen_agree
    assign agrees[c] = ((32'(out[Bits-2:0]) >= c) == reach[c]);
  end

  logic least, rounded;
  assign least = out[Bits-1] && (32'(out[Bits-2:0]) == MaxCode) && !sat;
  assign rounded = (&agrees) && (sat == reach[MaxCode+1]) &&
                   (out[Bits-1] == (negative && reach[1])) &&
                   (32'(out[Bits-2:0]) <= MaxCode);
  assign wrong = lowest ? !least : !rounded;
endmodule
