[0004]                    Signature : "WAET"
[0004]                 Table Length : 00000028
[0001]                     Revision : 01
[0001]                     Checksum : BD
[0006]                       Oem ID : "VGRAFT"
[0008]                 Oem Table ID : "SAMPLE"
[0004]                 Oem Revision : 04030201
[0004]              Asl Compiler ID : "VGFT"
[0004]        Asl Compiler Revision : 08070605
[0004]        Flags (decoded below) : 00000002
                        RTC needs no INT ack : 0
                     PM timer, one read only : 1
