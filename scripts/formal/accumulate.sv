// rst_accumulate against the sum taken twice as wide.
module accumulate #(
  parameter int AccBits = 8,
  parameter int AddBits = 11,
  parameter int Overflow = 0
) (
  input  logic signed [AccBits-1:0] acc,
  input  logic signed [AddBits-1:0] add,
  output logic                      wrong
);
  localparam int Wide = 2 * (AccBits + AddBits);
  logic signed [AccBits-1:0] out;
  logic ovf;

  rst_accumulate #(
    .AccBits(AccBits),
    .AddBits(AddBits),
    .Overflow(Overflow)
  ) u_dut (
    .acc_i(acc),
    .add_i(add),
    .acc_o(out),
    .ovf_o(ovf)
  );

  logic signed [Wide-1:0] exact, low, high, wanted;
  assign exact = $signed(Wide'(acc)) + $signed(Wide'(add));
  assign high = (Wide'(1) <<< (AccBits - 1)) - Wide'(1);
  assign low = -high - $signed(Wide'(1));

  always_comb begin
    wanted = exact;
    if (Overflow == 1) begin
      if (exact > high) wanted = high;
      if (exact < low) wanted = low;
    end
  end

  assign wrong = (out != wanted[AccBits-1:0]) || (ovf != (exact > high || exact < low));
endmodule
