[0004]                    Signature : "APIC"
[0004]                 Table Length : 00000080
[0001]                     Revision : 05
[0001]                     Checksum : 22
[0006]                       Oem ID : "VGRAFT"
[0008]                 Oem Table ID : "SAMPLE"
[0004]                 Oem Revision : 04030201
[0004]              Asl Compiler ID : "VGFT"
[0004]        Asl Compiler Revision : 08070605
[0004]           Local Apic Address : FEE00000
[0004]        Flags (decoded below) : 00000001
                         PC-AT Compatibility : 1

[0001]                Subtable Type : 00
[0001]                       Length : 08
[0001]                 Processor ID : 01
[0001]                Local Apic ID : 02
[0004]        Flags (decoded below) : 00000001
                           Processor Enabled : 1
                      Runtime Online Capable : 0

[0001]                Subtable Type : 01
[0001]                       Length : 0C
[0001]                  I/O Apic ID : 03
[0001]                     Reserved : 00
[0004]                      Address : 03020104
[0004]                    Interrupt : 03020105

[0001]                Subtable Type : 02
[0001]                       Length : 0A
[0001]                          Bus : 06
[0001]                       Source : 07
[0004]                    Interrupt : 03020108
[0002]        Flags (decoded below) : 000D
                                    Polarity : 1
                                Trigger Mode : 3

[0001]                Subtable Type : 03
[0001]                       Length : 08
[0002]        Flags (decoded below) : 000F
                                    Polarity : 3
                                Trigger Mode : 3
[0004]                    Interrupt : 03020109

[0001]                Subtable Type : 04
[0001]                       Length : 06
[0001]                 Processor ID : 0A
[0002]        Flags (decoded below) : 0005
                                    Polarity : 1
                                Trigger Mode : 1
[0001]         Interrupt Input LINT : 0B

[0001]                Subtable Type : 05
[0001]                       Length : 0C
[0002]                     Reserved : 0000
[0008]                 APIC Address : 070605040302010C

[0001]                Subtable Type : 09
[0001]                       Length : 10
[0002]                     Reserved : 0000
[0004]          Processor x2Apic ID : 0302010D
[0004]        Flags (decoded below) : 00000001
                           Processor Enabled : 1
[0004]                Processor UID : 0302010E

[0001]                Subtable Type : 0A
[0001]                       Length : 0C
[0002]        Flags (decoded below) : 000F
                                    Polarity : 3
                                Trigger Mode : 3
[0004]                Processor UID : 0302010F
[0001]         Interrupt Input LINT : 10
[0003]                     Reserved : 000000
