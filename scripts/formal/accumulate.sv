// rst_accumulate against the sum taken twice as wide.
module accumulate #(
  parameter int ACC_BITS = 8,
  parameter int ADD_BITS = 11,
  parameter int OVERFLOW = 0
) (
  input  logic signed [ACC_BITS-1:0] acc,
  input  logic signed [ADD_BITS-1:0] add,
  output logic                       wrong
);
  localparam int Wide = 2 * (ACC_BITS + ADD_BITS);
  logic signed [ACC_BITS-1:0] out;
  logic ovf;

  rst_accumulate #(
    .ACC_BITS(ACC_BITS),
    .ADD_BITS(ADD_BITS),
    .OVERFLOW(OVERFLOW)
  ) u_dut (
    .acc_i(acc),
    .add_i(add),
    .acc_o(out),
    .ovf_o(ovf)
  );

  logic signed [Wide-1:0] exact, low, high, wanted;
  assign exact = $signed(Wide'(acc)) + $signed(Wide'(add));
  assign high = (Wide'(1) <<< (ACC_BITS - 1)) - Wide'(1);
  assign low = -high - $signed(Wide'(1));

  always_comb begin
    wanted = exact;
    if (OVERFLOW == 1) begin
      if (exact > high) wanted = high;
      if (exact < low) wanted = low;
    end
  end

  assign wrong = (out != wanted[ACC_BITS-1:0]) || (ovf != (exact > high || exact < low));
endmodule
