// A dot product of four, pipelined, as a stream: valid and ready on both sides, an active-low asynchronous reset, packed vectors with
// the first element on the left, a saturating accumulator that is emptied by `tlast`.
module dot_stream (
  input  wire         aclk,
  input  wire         aresetn,
  input  wire         s_tvalid,
  output wire         s_tready,
  input  wire         s_tlast,
  input  wire [31:0]  s_data,
  input  wire [23:0]  s_coeff,
  output reg          m_tvalid,
  input  wire         m_tready,
  output reg  [15:0]  m_sum
);
  wire stall = m_tvalid && !m_tready;
  assign s_tready = !stall;

  reg valid_1, last_1;
  reg signed [15:0] total;
  reg signed [16:0] dot;
  integer i;
  reg signed [16:0] next_dot;
  always @* begin
    next_dot = 0;
    for (i = 0; i < 4; i = i + 1)
      next_dot = next_dot + $signed(s_data[8*i +: 8]) * $signed(s_coeff[6*i +: 6]);
  end
  wire signed [17:0] wide = total + dot;
  wire signed [15:0] limited = (wide > 32767) ? 16'sd32767 : (wide < -32768) ? -16'sd32768 : wide[15:0];

  always @(posedge aclk or negedge aresetn)
    if (!aresetn) begin
      valid_1  <= 1'b0;
      last_1   <= 1'b0;
      m_tvalid <= 1'b0;
      total    <= 16'd0;
    end else if (!stall) begin
      valid_1  <= s_tvalid;
      last_1   <= s_tlast;
      dot      <= next_dot;
      m_tvalid <= valid_1 && last_1;
      if (valid_1) begin
        m_sum <= limited;
        total <= last_1 ? 16'sd0 : limited;
      end
    end
endmodule
